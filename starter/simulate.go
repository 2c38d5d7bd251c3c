package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/admission"
	"sluice/internal/admission/simulate"
	"sluice/workflows"
)

// mostTraced bounds what a simulation reads; a million take some seconds.
const mostTraced = 1_000_000

// generatedAgeing is the ageing step of generated work: the one that a new database has.
const generatedAgeing = 5 * time.Minute

// maxClasses is the most that a file of classes may have.
const maxClasses = 1 << 20

type simulateFlags struct {
	since      time.Duration
	generate   string
	seed       uint64
	tiers      []string
	workspaces []string
	limit      wholeFlag
	ageing     *time.Duration
	batchSize  int
	most       int

	from   *time.Time // when the first recorded execution that was read became available
	cutOff bool       // there are earlier ones within since
}

func (a *app) simulateCommand() *cobra.Command {
	var s simulateFlags
	var ageing time.Duration
	command := &cobra.Command{
		Use: "simulate", Short: "Play what has run against other limits, and compare the waits", Args: exactly(),
		Annotations: map[string]string{unbounded: "yes"},
		Long: "Play the executions of the last hours against the policy that the dispatcher uses, in virtual time, with the\n" +
			"limits as they are and with the limits given here, and compare how long each workspace would have waited.\n" +
			"Nothing is changed and nothing runs. Each execution takes as long as it did, from the moment it starts.\n\n" +
			"--tier and --workspace take PLAN=limits and ID=limits, where limits are a number (max concurrent) or a list:\n" +
			"max-concurrent:4,nominal-quota:2,borrowing-limit:1,weight:3,rate:30/m,burst:5 and, for a workspace, cohort:eu.\n" +
			"With none a limit is taken away.\n\n" +
			"--generate simulates made-up work instead, and needs no database: a JSON file with a list of classes, each\n" +
			`{"name": "flood", "count": 1, "executions": 20000, "from": "0s", "over": "0s", "runs": "100ms", "limits": "50"},` + "\n" +
			"whose executions become available at random within over (0s: all at once) and run for runs on average. With\n" +
			`"priorities": [1, 3, 3] each has one of these at random, here 3 twice as often as 1; otherwise 3.`,
		Example: "  starter simulate --tier FREE=2\n  starter simulate --since 168h --max-concurrent 100 --tier PRO=40,nominal-quota:10",
	}
	f := command.Flags()
	f.DurationVar(&s.since, "since", 24*time.Hour, "how far back to read")
	f.StringVar(&s.generate, "generate", "", "simulate the classes of this `file` instead (- for stdin)")
	f.Uint64Var(&s.seed, "seed", 1, "of what is random in generated work")
	f.StringArrayVar(&s.tiers, "tier", nil, "other limits of a plan, as `PLAN=limits`; may be repeated")
	f.StringArrayVar(&s.workspaces, "workspace", nil, "other limits of a workspace, as `ID=limits`; may be repeated")
	f.Var(&s.limit, "max-concurrent", "another limit of all workspaces together")
	f.DurationVar(&ageing, "ageing-step", 0, "another head start of a priority against the next one")
	f.IntVar(&s.batchSize, "batch-size", workflows.DefaultBatchSize, "the most that one cycle claims")
	f.IntVar(&s.most, "most", 20, "how many workspaces to show, the longest waits first; all with --json")
	return a.does(command, func(ctx context.Context, _ []string) error {
		if s.batchSize < 1 || s.most < 1 || s.since <= 0 {
			return usage("--batch-size, --most and --since must be more than 0")
		}
		if ageing < 0 {
			return usage("--ageing-step must not be negative, got %s", ageing)
		}
		if f.Changed("ageing-step") {
			s.ageing = &ageing
		}
		var now, then simulate.Config
		var err error
		if s.generate != "" {
			now, err = a.generated(s)
			then = now
			if s.limit.change != nil {
				then.Global = deref(s.limit.change.To)
			}
		} else {
			now, then, err = a.recorded(ctx, &s)
		}
		if err != nil {
			return err
		}
		if s.ageing != nil {
			then.AgeingStep = *s.ageing
		}
		return a.compare(s, now, then)
	})
}

// compare plays both and prints the waits side by side.
func (a *app) compare(s simulateFlags, now, then simulate.Config) error {
	now.Batch, then.Batch = s.batchSize, s.batchSize
	if now.Global < 0 || then.Global < 0 {
		return usage("--max-concurrent must not be negative")
	}
	asIs, err := simulate.Run(now)
	if err != nil {
		return fmt.Errorf("simulate the limits as they are: %w", err)
	}
	other, err := simulate.Run(then)
	if err != nil {
		return fmt.Errorf("simulate the other limits: %w", err)
	}
	if s.cutOff {
		a.note(fmt.Sprintf("note: these are the last %d executions, since %s; --since %s would have more", mostTraced, stamp(s.from), s.since))
	}
	result := comparison{From: s.from, CutOff: s.cutOff, Executions: len(now.Executions), Now: newSimulated(asIs), Then: newSimulated(other)}
	for i, o := range asIs.Workspaces {
		if o.Executions == 0 {
			continue
		}
		result.Workspaces = append(result.Workspaces, comparedWorkspace{
			Name: o.Name, Executions: o.Executions, Now: newWaited(o), Then: newWaited(other.Workspaces[i]),
		})
	}
	for i, o := range asIs.Priorities {
		if o.Executions > 0 {
			result.Priorities = append(result.Priorities, comparedPriority{
				Priority: i + 1, Executions: o.Executions, Now: newWaits(o.Waits), Then: newWaits(other.Priorities[i].Waits),
			})
		}
	}
	slices.SortStableFunc(result.Workspaces, func(a, b comparedWorkspace) int {
		return cmp.Compare(max(b.Now.p99, b.Then.p99), max(a.Now.p99, a.Then.p99))
	})
	return a.result(result, func(w io.Writer) { renderComparison(w, result, s.most) })
}

// comparison is what simulate prints.
type comparison struct {
	From       *time.Time          `json:"from,omitempty"`   // when the first recorded execution became available
	CutOff     bool                `json:"cutOff,omitempty"` // there are earlier ones within --since: only the last million are read
	Executions int                 `json:"executions"`
	Now        simulated           `json:"now"`
	Then       simulated           `json:"then"`
	Priorities []comparedPriority  `json:"priorities"`
	Workspaces []comparedWorkspace `json:"workspaces"`
}

// simulated is one simulation as a whole. Jain and MaxLag are left out where there is no figure.
type simulated struct {
	Lasts       string                   `json:"lasts"`
	P50         string                   `json:"waitP50"`
	P99         string                   `json:"waitP99"`
	Utilisation float64                  `json:"utilisation,omitempty"` // of the limit of all workspaces
	Jain        *float64                 `json:"jain,omitempty"`
	MaxLag      *float64                 `json:"maxLag,omitempty"`
	Waited      map[admission.Reason]int `json:"waited,omitempty"` // workspaces that were granted nothing, by reason, over all cycles
}

type comparedWorkspace struct {
	Name       string `json:"name"`
	Executions int    `json:"executions"`
	Now        waited `json:"now"`
	Then       waited `json:"then"`
}

type comparedPriority struct {
	Priority   int   `json:"priority"`
	Executions int   `json:"executions"`
	Now        waits `json:"now"`
	Then       waits `json:"then"`
}

type waited struct {
	waits
	Utilisation float64 `json:"utilisation"` // of its own limit
}

type waits struct {
	P50 string `json:"waitP50"`
	P99 string `json:"waitP99"`

	p99 time.Duration
}

func newSimulated(r simulate.Report) simulated {
	s := simulated{Lasts: span(r.Lasted), P50: span(r.Waits.P50), P99: span(r.Waits.P99), Utilisation: r.Utilisation, Waited: r.Waited}
	if r.Fairness != nil && r.Fairness.Judged > 0 {
		s.Jain, s.MaxLag = &r.Fairness.Jain, &r.Fairness.MaxLag
	}
	return s
}

func newWaited(o simulate.Outcome) waited {
	return waited{newWaits(o.Waits), o.Utilisation}
}

func newWaits(w simulate.Waits) waits { return waits{P50: span(w.P50), P99: span(w.P99), p99: w.P99} }

func renderComparison(w io.Writer, c comparison, most int) {
	if c.Executions == 0 {
		_, _ = fmt.Fprintln(w, "nothing has run; see --since")
		return
	}
	rows := [][]string{{"as it is", c.Now.Lasts, c.Now.P50, c.Now.P99, percent(c.Now.Utilisation), figure(c.Now.Jain), figure(c.Now.MaxLag)},
		{"with the other limits", c.Then.Lasts, c.Then.P50, c.Then.P99, percent(c.Then.Utilisation), figure(c.Then.Jain), figure(c.Then.MaxLag)}}
	table(w, []string{plural(c.Executions, "EXECUTION", "EXECUTIONS"), "LASTS", "WAIT P50", "P99", "USED", "JAIN", "MAX LAG"}, rows)
	_, _ = fmt.Fprintln(w)
	if len(c.Priorities) > 1 {
		rows = nil
		for _, p := range c.Priorities {
			rows = append(rows, []string{fmt.Sprint(p.Priority), fmt.Sprint(p.Executions), p.Now.P50, p.Then.P50, p.Now.P99, p.Then.P99})
		}
		table(w, []string{"PRIORITY", "EXECUTIONS", "WAIT P50", "THEN", "WAIT P99", "THEN"}, rows)
		_, _ = fmt.Fprintln(w)
	}
	rows = nil
	for _, o := range c.Workspaces[:min(most, len(c.Workspaces))] {
		rows = append(rows, []string{o.Name, fmt.Sprint(o.Executions), o.Now.P50, o.Then.P50, o.Now.P99, o.Then.P99, percent(o.Now.Utilisation), percent(o.Then.Utilisation)})
	}
	table(w, []string{"WORKSPACE", "EXECUTIONS", "WAIT P50", "THEN", "WAIT P99", "THEN", "USED", "THEN"}, rows)
	if left := len(c.Workspaces) - most; left > 0 {
		_, _ = fmt.Fprintf(w, "and %s; see --most\n", plural(left, "workspace more", "workspaces more"))
	}
}

func percent(share float64) string {
	if share == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", share*100)
}

func figure(f *float64) string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf("%.3f", *f)
}

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
}

func (a *app) generated(s simulateFlags) (simulate.Config, error) {
	if len(s.tiers)+len(s.workspaces) > 0 {
		return simulate.Config{}, usage("--tier and --workspace change recorded work; generated work has its limits in its file")
	}
	raw, err := a.readFile(s.generate, maxClasses)
	if err != nil {
		return simulate.Config{}, err
	}
	var classes []class
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&classes); err != nil {
		return simulate.Config{}, usage("%s is no list of classes: %v", s.generate, err)
	}
	var generated []simulate.Class
	total := 0
	for _, c := range classes {
		var limits ownLimits
		if err := limits.parse(c.Limits); err != nil {
			return simulate.Config{}, usage("class %q: %v", c.Name, err)
		}
		if c.Count < 1 || c.Executions < 0 || c.Count > mostTraced || c.Executions > mostTraced || c.From < 0 || c.Over < 0 || c.Runs < 0 || limits.Max == nil {
			return simulate.Config{}, usage("class %q needs a count of 1 to %d, at most as many executions, limits, and no negative time", c.Name, mostTraced)
		}
		if slices.ContainsFunc(c.Priorities, func(p int) bool { return p < 1 || p > 5 }) {
			return simulate.Config{}, usage("class %q: priorities are 1 (first) to 5 (last), not %v", c.Name, c.Priorities)
		}
		if total += c.Count * c.Executions; total > mostTraced {
			return simulate.Config{}, usage("the classes have more than %d executions", mostTraced)
		}
		generated = append(generated, simulate.Class{
			Workspace: limits.workspace(c.Name), Count: c.Count, Executions: c.Executions,
			From: time.Duration(c.From), Over: time.Duration(c.Over), Runs: time.Duration(c.Runs), Priorities: c.Priorities,
		})
	}
	var config simulate.Config
	config.Workspaces, config.Executions = simulate.Generate(s.seed, generated...)
	config.AgeingStep = generatedAgeing
	return config, nil
}
