package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/admission/simulate"
	"sluice/internal/whatif"
	"sluice/workflows"
)

// mostTraced bounds what a simulation reads; a million take some seconds.
const mostTraced = 1_000_000

type simulateFlags struct {
	since      time.Duration
	generate   string
	seed       uint64
	tiers      []string
	workspaces []string
	limit      wholeFlag
	fairness   string
	ageing     *time.Duration
	batchSize  int
	most       int
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
			`"priorities": [1, 3, 3] each has one of these at random, here 3 twice as often as 1; otherwise 3. With` + "\n" +
			`"types": [{"name": "Thumbnail", "runs": "1s", "often": 9}, {"name": "Export", "runs": "5m", "often": 1}] each is of one of these` + "\n" +
			"workflow types at random, and runs as those do.",
		Example: "  starter simulate --tier FREE=2\n  starter simulate --since 168h --max-concurrent 100 --tier PRO=40,nominal-quota:10",
	}
	f := command.Flags()
	f.DurationVar(&s.since, "since", 24*time.Hour, "how far back to read")
	f.StringVar(&s.generate, "generate", "", "simulate the classes of this `file` instead (- for stdin)")
	f.Uint64Var(&s.seed, "seed", 1, "of what is random in generated work")
	f.StringArrayVar(&s.tiers, "tier", nil, "other limits of a plan, as `PLAN=limits`; may be repeated")
	f.StringArrayVar(&s.workspaces, "workspace", nil, "other limits of a workspace, by its id or key, as `ID=limits`; may be repeated")
	f.Var(&s.limit, "max-concurrent", "another limit of all workspaces together")
	f.DurationVar(&ageing, "ageing-step", 0, "another head start of a priority against the next one")
	f.StringVar(&s.fairness, "fairness", "", "what the other limits share by weight: `slot-time` or starts")
	f.IntVar(&s.batchSize, "batch-size", workflows.DefaultBatchSize, "the most that one cycle claims")
	f.IntVar(&s.most, "most", 20, "how many workspaces to show, the longest waits first; all with --json")
	return a.does(command, func(ctx context.Context, _ []string) error {
		if s.batchSize < 1 || s.most < 1 || s.since <= 0 {
			return usage("--batch-size, --most and --since must be more than 0")
		}
		if s.fairness != "" && s.fairness != admin.FairSlotTime && s.fairness != admin.FairStarts {
			return usage("--fairness must be %s or %s, not %q", admin.FairSlotTime, admin.FairStarts, s.fairness)
		}
		if ageing < 0 {
			return usage("--ageing-step must not be negative, got %s", ageing)
		}
		if f.Changed("ageing-step") {
			s.ageing = &ageing
		}
		other, err := a.other(ctx, s)
		if err != nil {
			return err
		}
		var c whatif.Comparison
		if s.generate != "" {
			c, err = a.generated(ctx, s, other)
		} else {
			c, err = a.recorded(ctx, s, other)
		}
		if err != nil {
			return err
		}
		result := newComparison(c)
		return a.result(result, func(w io.Writer) { renderComparison(w, result, s.most) })
	})
}

// other are the limits to compare with.
func (a *app) other(ctx context.Context, s simulateFlags) (whatif.Other, error) {
	o := whatif.Other{Global: s.limit.change, AgeingStep: s.ageing, Fairness: s.fairness, Plans: map[string]admin.WorkspaceChange{}, Workspaces: map[uuid.UUID]admin.WorkspaceChange{}}
	if s.limit.change != nil && deref(s.limit.change.To) < 0 {
		return o, usage("--max-concurrent must not be negative")
	}
	if s.generate != "" {
		if len(s.tiers)+len(s.workspaces) > 0 {
			return o, usage("--tier and --workspace change recorded work; generated work has its limits in its file")
		}
		return o, nil
	}
	for _, flag := range s.tiers {
		plan, text, err := ofLimits("--tier", flag)
		if err != nil {
			return o, err
		}
		plan = strings.ToUpper(plan)
		change := o.Plans[plan]
		if err := parseLimits(&change, text); err != nil {
			return o, usage("--tier %q: %v", flag, err)
		}
		o.Plans[plan] = change
	}
	for _, flag := range s.workspaces {
		name, text, err := ofLimits("--workspace", flag)
		if err != nil {
			return o, err
		}
		id, err := a.workspaceOf(ctx, "--workspace", name)
		if err != nil {
			return o, err
		}
		change := o.Workspaces[id]
		if err := parseLimits(&change, text); err != nil {
			return o, usage("--workspace %q: %v", flag, err)
		}
		o.Workspaces[id] = change
	}
	return o, nil
}

// ofLimits are the two sides of NAME=limits.
func ofLimits(flag, value string) (name, limits string, err error) {
	name, limits, both := strings.Cut(value, "=")
	if !both {
		return "", "", usage("%s %q is not like NAME=limits", flag, value)
	}
	return strings.TrimSpace(name), limits, nil
}

func (a *app) recorded(ctx context.Context, s simulateFlags, other whatif.Other) (c whatif.Comparison, err error) {
	pool, err := a.database(ctx)
	if err != nil {
		return c, err
	}
	c, err = whatif.Play(ctx, pool, whatif.Question{Since: s.since, Most: mostTraced, Batch: s.batchSize, Other: other})
	if err == nil && c.CutOff {
		a.note(fmt.Sprintf("note: these are the last %d executions, since %s; --since %s would have more", mostTraced, stamp(&c.From), s.since))
	}
	return c, err
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
	Lasts string `json:"lasts"`
	waits
	Utilisation float64                  `json:"utilisation,omitempty"`  // of the limit of all workspaces
	Fairness    string                   `json:"fairness"`               // what is shared by weight
	Jain        *float64                 `json:"jain,omitempty"`         // of starts
	JainOfTime  *float64                 `json:"jainSlotTime,omitempty"` // of the time for which slots are held
	MaxLag      *float64                 `json:"maxLag,omitempty"`
	Never       int                      `json:"neverStarted,omitempty"`
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
	Never       int     `json:"neverStarted,omitempty"`
}

// waits are those of what was started; without any there are none.
type waits struct {
	P50 string `json:"waitP50,omitempty"`
	P99 string `json:"waitP99,omitempty"`
}

func newComparison(c whatif.Comparison) comparison {
	result := comparison{CutOff: c.CutOff, Executions: c.Executions, Now: newSimulated(c.Now), Then: newSimulated(c.Then)}
	if !c.From.IsZero() {
		result.From = &c.From
	}
	for _, o := range c.Workspaces {
		result.Workspaces = append(result.Workspaces, comparedWorkspace{Name: o.Name, Executions: o.Executions, Now: newWaited(o.Now), Then: newWaited(o.Then)})
	}
	for _, o := range c.Priorities {
		result.Priorities = append(result.Priorities, comparedPriority{
			Priority: o.Priority, Executions: o.Executions, Now: newWaits(o.Now.Executions, o.Now.Waits), Then: newWaits(o.Then.Executions, o.Then.Waits),
		})
	}
	return result
}

func newSimulated(side whatif.Side) simulated {
	r := side.Report
	s := simulated{Lasts: span(r.Lasted), waits: newWaits(len(r.Started)-r.NeverStarted, r.Waits), Utilisation: r.Utilisation, Never: r.NeverStarted, Waited: r.Waited, Fairness: admin.FairStarts}
	if side.Config.SlotTime {
		s.Fairness = admin.FairSlotTime
	}
	if r.SlotTime != nil && r.SlotTime.Judged > 0 {
		s.JainOfTime = &r.SlotTime.Jain
	}
	if r.Fairness != nil && r.Fairness.Judged > 0 {
		s.Jain, s.MaxLag = &r.Fairness.Jain, &r.Fairness.MaxLag
	}
	return s
}

func newWaited(o simulate.Outcome) waited {
	return waited{newWaits(o.Executions, o.Waits), o.Utilisation, o.NeverStarted}
}

func newWaits(started int, w simulate.Waits) waits {
	if started == 0 {
		return waits{}
	}
	return waits{P50: span(w.P50), P99: span(w.P99)}
}

func renderComparison(w io.Writer, c comparison, most int) {
	if c.Executions == 0 {
		_, _ = fmt.Fprintln(w, "nothing has run; see --since")
		return
	}
	never := c.Now.Never+c.Then.Never > 0
	header := []string{plural(c.Executions, "EXECUTION", "EXECUTIONS"), "LASTS", "WAIT P50", "P99", "USED", "FAIR IN", "JAIN OF SLOT TIME", "OF STARTS", "MAX LAG IN STARTS"}
	rows := [][]string{c.Now.row("as it is"), c.Then.row("with the other limits")}
	if never {
		header, rows[0], rows[1] = append(header, "NEVER STARTED"), append(rows[0], fmt.Sprint(c.Now.Never)), append(rows[1], fmt.Sprint(c.Then.Never))
	}
	table(w, header, rows)
	_, _ = fmt.Fprintln(w)
	if len(c.Priorities) > 1 {
		rows = nil
		for _, p := range c.Priorities {
			rows = append(rows, []string{fmt.Sprint(p.Priority), fmt.Sprint(p.Executions), p.Now.P50, p.Then.P50, p.Now.P99, p.Then.P99})
		}
		table(w, []string{"PRIORITY", "EXECUTIONS", "WAIT P50", "THEN", "WAIT P99", "THEN"}, rows)
		_, _ = fmt.Fprintln(w)
	}
	header, rows = []string{"WORKSPACE", "EXECUTIONS", "WAIT P50", "THEN", "WAIT P99", "THEN", "USED", "THEN"}, nil
	if never {
		header = append(header, "NEVER STARTED", "THEN")
	}
	for _, o := range c.Workspaces[:min(most, len(c.Workspaces))] {
		row := []string{o.Name, fmt.Sprint(o.Executions), o.Now.P50, o.Then.P50, o.Now.P99, o.Then.P99, percent(o.Now.Utilisation), percent(o.Then.Utilisation)}
		if never {
			row = append(row, fmt.Sprint(o.Now.Never), fmt.Sprint(o.Then.Never))
		}
		rows = append(rows, row)
	}
	table(w, header, rows)
	if left := len(c.Workspaces) - most; left > 0 {
		_, _ = fmt.Fprintf(w, "and %s; see --most\n", plural(left, "workspace more", "workspaces more"))
	}
}

func (s simulated) row(name string) []string {
	return []string{name, s.Lasts, s.P50, s.P99, percent(s.Utilisation), s.Fairness, figure(s.JainOfTime), figure(s.Jain), figure(s.MaxLag)}
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
