package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/admin"
	"sluice/internal/admission/simulate"
	"sluice/internal/whatif"
	"sluice/workflows"
)

// generatedAgeing is the ageing step of generated work: the one that a new database has.
const generatedAgeing = 5 * time.Minute

// maxClasses is the most that a file of classes may have.
const maxClasses = 1 << 20

// class is a kind of workspaces in a file for --generate.
type class struct {
	Name       string             `json:"name"`
	Count      int                `json:"count"`
	Executions int                `json:"executions"`
	From       workflows.Duration `json:"from"`
	Over       workflows.Duration `json:"over"`
	Runs       workflows.Duration `json:"runs"`
	Limits     string             `json:"limits"`
	Priorities []int              `json:"priorities"`
	Types      []classType        `json:"types"`
}

// classType is a workflow type of a class.
type classType struct {
	Name  string             `json:"name"`
	Runs  workflows.Duration `json:"runs"`
	Often int                `json:"often"`
}

// generated compares made-up work.
func (a *app) generated(ctx context.Context, s simulateFlags, other whatif.Other) (c whatif.Comparison, err error) {
	raw, err := a.readFile(s.generate, maxClasses)
	if err != nil {
		return c, err
	}
	var classes []class
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&classes); err != nil {
		return c, usage("%s is no list of classes: %v", s.generate, err)
	}
	var generated []simulate.Class
	total := 0
	for i := range classes {
		g, err := classes[i].generate()
		if err != nil {
			return c, usage("class %d (%q) %v", i+1, classes[i].Name, err)
		}
		if total += g.Count * g.Executions; total > mostTraced {
			return c, usage("the classes have more than %d executions", mostTraced)
		}
		generated = append(generated, g)
	}
	now := simulate.Config{Batch: s.batchSize, AgeingStep: generatedAgeing, SlotTime: true}
	now.Workspaces, now.Executions = simulate.Generate(s.seed, generated...)
	then := now
	other.Apply(&then)
	return whatif.Compare(ctx, now, then)
}

// generate is the class as a simulation has it. The error goes on where the class is named.
func (c *class) generate() (g simulate.Class, err error) {
	var change admin.WorkspaceChange
	switch {
	case c.Count < 1 || c.Count > mostTraced:
		return g, fmt.Errorf("needs a count of 1 to %d workspaces, not %d", mostTraced, c.Count)
	case c.Executions < 0 || c.Executions > mostTraced:
		return g, fmt.Errorf("needs 0 to %d executions, not %d", mostTraced, c.Executions)
	case c.From < 0 || c.Over < 0 || c.Runs < 0:
		return g, fmt.Errorf("has a negative time: from, over and runs must be 0s or more")
	case slices.ContainsFunc(c.Priorities, func(p int) bool { return p < 1 || p > 5 }):
		return g, fmt.Errorf("has priorities %v: they are 1 (first) to 5 (last)", c.Priorities)
	case strings.TrimSpace(c.Limits) == "":
		return g, fmt.Errorf(`has no limits: say how many of a workspace may run at once, like "limits": "3" or "limits": "max-concurrent:3,weight:2"`)
	}
	if err := parseLimits(&change, c.Limits); err != nil {
		return g, fmt.Errorf("has limits %q: %w", c.Limits, err)
	}
	if change.MaxConcurrentWorkflows == nil || change.MaxConcurrentWorkflows.To == nil {
		return g, fmt.Errorf(`has limits %q without a max-concurrent: add one, like "max-concurrent:3"`, c.Limits)
	}
	if err := change.Check(); err != nil {
		return g, fmt.Errorf("has limits %q: %w", c.Limits, err)
	}
	types := make([]simulate.Type, len(c.Types))
	for i, t := range c.Types {
		if t.Name == "" || t.Runs < 0 || t.Often < 1 || t.Often > mostTraced {
			return g, fmt.Errorf("has type %d (%q): a type needs a name, often of 1 to %d, and no negative time", i+1, t.Name, mostTraced)
		}
		types[i] = simulate.Type{Name: t.Name, Runs: time.Duration(t.Runs), Often: t.Often}
	}
	return simulate.Class{
		Workspace: whatif.Workspace(c.Name, whatif.Changed(admin.WorkspaceLimits{}, change)), Count: c.Count, Executions: c.Executions,
		From: time.Duration(c.From), Over: time.Duration(c.Over), Runs: time.Duration(c.Runs), Types: types, Priorities: c.Priorities,
	}, nil
}

// parseLimits adds what is written to a change: a number, or a list of name:value.
func parseLimits(c *admin.WorkspaceChange, text string) error {
	for _, part := range strings.Split(text, ",") {
		name, value, named := strings.Cut(strings.TrimSpace(part), ":")
		if !named {
			name, value = "max-concurrent", name
		}
		if err := parseLimit(c, name, value); err != nil {
			return err
		}
	}
	return nil
}

func parseLimit(c *admin.WorkspaceChange, name, value string) error {
	wholes := map[string]**admin.Change[int]{
		"max-concurrent": &c.MaxConcurrentWorkflows, "nominal-quota": &c.NominalQuota, "borrowing-limit": &c.BorrowingLimit,
		"lending-limit": &c.LendingLimit, "weight": &c.Weight, "burst": &c.Burst,
	}
	whole, isWhole := wholes[name]
	switch {
	case isWhole && value == none:
		*whole = &admin.Change[int]{}
	case isWhole:
		n, err := strconv.Atoi(value)
		low := 0
		if name == "weight" || name == "burst" {
			low = 1
		}
		if err != nil || n < low || n > math.MaxInt32 {
			return fmt.Errorf("%s must be a whole number from %d, or %s, not %q", name, low, none, value)
		}
		*whole = &admin.Change[int]{To: &n}
	case name == "rate":
		var rate rateFlag
		if err := rate.Set(value); err != nil {
			return fmt.Errorf("rate %w", err)
		}
		if to := rate.change.To; to != nil && !(*to > 0) {
			return fmt.Errorf("rate must be more than 0")
		}
		c.StartsPerSecond = rate.change
	case name == "cohort":
		var cohort nameFlag
		if err := cohort.Set(value); err != nil {
			return fmt.Errorf("cohort %w", err)
		}
		c.Cohort = cohort.change
	default:
		return fmt.Errorf("unknown limit %q; there are max-concurrent, nominal-quota, borrowing-limit, lending-limit, weight, rate, burst, cohort", name)
	}
	return nil
}
