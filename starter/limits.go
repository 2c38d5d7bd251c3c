package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
)

// none takes a limit away.
const none = "none"

// wholeFlag is a limit that may be taken away: a whole number or none.
type wholeFlag struct{ change *admin.Change[int] }

func (f *wholeFlag) String() string { return "" }
func (f *wholeFlag) Type() string   { return "number" }

func (f *wholeFlag) Set(value string) error {
	f.change = &admin.Change[int]{}
	if value == none {
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("must be a whole number or %s, not %q", none, value)
	}
	f.change.To = &n
	return nil
}

// rateFlag is a rate that may be taken away: starts per second, minute or hour, or none.
type rateFlag struct{ change *admin.Change[float64] }

func (f *rateFlag) String() string { return "" }
func (f *rateFlag) Type() string   { return "rate" }

var rateUnits = map[string]float64{"s": 1, "m": 60, "h": 3600}

func (f *rateFlag) Set(value string) error {
	f.change = &admin.Change[float64]{}
	if value == none {
		return nil
	}
	count, unit, _ := strings.Cut(value, "/")
	n, err := strconv.ParseFloat(count, 64)
	if err != nil || rateUnits[unit] == 0 {
		return fmt.Errorf("must be like 5/s, 30/m or 100/h, or %s, not %q", none, value)
	}
	perSecond := n / rateUnits[unit]
	f.change.To = &perSecond
	return nil
}

// nameFlag is a name that may be taken away.
type nameFlag struct{ change *admin.Change[string] }

func (f *nameFlag) String() string { return "" }
func (f *nameFlag) Type() string   { return "name" }

func (f *nameFlag) Set(value string) error {
	f.change = &admin.Change[string]{}
	if value != none {
		f.change.To = &value
	}
	return nil
}

// hostsFlag is a list of hosts that may be taken away.
type hostsFlag struct{ change *admin.Change[[]string] }

func (f *hostsFlag) String() string { return "" }
func (f *hostsFlag) Type() string   { return "hosts" }

func (f *hostsFlag) Set(value string) error {
	f.change = &admin.Change[[]string]{}
	if value != none {
		f.change.To = new(strings.Split(value, ","))
	}
	return nil
}

const day = 24 * time.Hour

// daysFlag is a duration that may be given in days.
type daysFlag struct{ duration *time.Duration }

func (f *daysFlag) String() string { return "" }
func (f *daysFlag) Type() string   { return "duration" }

func (f *daysFlag) Set(value string) error {
	if count, inDays := strings.CutSuffix(value, "d"); inDays {
		n, err := strconv.ParseUint(count, 10, 16)
		if err != nil {
			return fmt.Errorf("must be a whole number of days, like 30d, not %q", value)
		}
		f.duration = new(time.Duration(n) * day)
		return nil
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return fmt.Errorf("must be like 30d, 12h or 90s, not %q", value)
	}
	f.duration = &d
	return nil
}

// quotaFlags are what a tier and a workspace have in common.
type quotaFlags struct {
	nominal, borrowing, burst wholeFlag
	rate                      rateFlag
}

func (q *quotaFlags) add(command *cobra.Command, otherwise string) {
	f := command.Flags()
	f.Var(&q.nominal, "nominal-quota", "how many slots are guaranteed to it; none: "+otherwise)
	f.Var(&q.borrowing, "borrowing-limit", "how many slots above its nominal quota it may borrow; none: "+otherwise)
	f.Var(&q.rate, "rate", "how often it may start, like 5/s, 30/m or 100/h; none: "+otherwise)
	f.Var(&q.burst, "burst", "how many starts at once after a rest; none: "+otherwise)
}

// quotaFlagNames are those of quotaFlags.
var quotaFlagNames = []string{"nominal-quota", "borrowing-limit", "rate", "burst"}

func (a *app) limitsCommand() *cobra.Command {
	return a.group("limits", "Show and set what holds for all workspaces together", a.limitsShow(), a.limitsSet())
}

func (a *app) limitsShow() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "show", Short: "Show what holds for all workspaces together", Args: exactly(),
	}, func(ctx context.Context, _ []string) error {
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		s, err := office.Settings(ctx)
		if err != nil {
			return err
		}
		return a.settings(s)
	})
}

func (a *app) limitsSet() *cobra.Command {
	var limit wholeFlag
	var step time.Duration
	var keep daysFlag
	var plan nameFlag
	var taskQueue string
	command := &cobra.Command{
		Use: "set", Short: "Change what holds for all workspaces together", Args: exactly(),
		Long: "Change limits while everything runs, from the next claim on. A cut drains: it ends nothing that runs.\n\n" +
			"--max-concurrent is what the fleet can run. What it has not enough of is divided by the workspaces' weights;\n" +
			"starts within nominal quotas go first.\n\n" +
			"--ageing-step is the head start of a priority against the next one: with 5m, an item of priority 5 goes at the\n" +
			"latest before what becomes available 20 minutes after it with priority 1. With 0s, priorities only break ties.\n\n" +
			"--retention is how long items that have ended and the activity log are kept, to the day or the month. What is\n" +
			"older is deleted, and the unique keys that it held are free again.\n\n" +
			"With --auto-create-plan the first enqueue for a workspace that nobody has created creates it on that plan. Who\n" +
			"may enqueue may then create workspaces.\n\n" +
			"--task-queue-template says on which task queue workflows run that name none; {workspace} is the id of their\n" +
			"workspace. Workers host what it is at first, workflow.workspace.{workspace}; another one your workers serve.",
		Example: "  starter limits set --max-concurrent 200\n  starter limits set --retention 90d\n" +
			"  starter limits set --auto-create-plan FREE --task-queue-template 'tenant-{workspace}'",
	}
	command.Flags().Var(&limit, "max-concurrent", "how many workflows may run at once in all; none: not bounded")
	command.Flags().DurationVar(&step, "ageing-step", 0, "the head start of a priority against the next one")
	command.Flags().Var(&keep, "retention", "how long what has ended is kept, like 30d or 720h; 0: for ever")
	command.Flags().Var(&plan, "auto-create-plan", "the plan of workspaces that their first enqueue creates; none: they are created beforehand")
	command.Flags().StringVar(&taskQueue, "task-queue-template", "", "the task queue, by its `name`, of workflows that name none")
	command.MarkFlagsOneRequired("max-concurrent", "ageing-step", "retention", "auto-create-plan", "task-queue-template")
	return a.does(command, func(ctx context.Context, _ []string) error {
		change := admin.SettingsChange{MaxConcurrentWorkflows: limit.change, Retention: keep.duration, AutoCreatePlan: plan.change}
		if command.Flags().Changed("task-queue-template") {
			change.TaskQueue = &taskQueue
		}
		if command.Flags().Changed("ageing-step") {
			change.AgeingStep = &step
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		s, err := office.Set(ctx, change, a.config.Actor)
		if err != nil {
			return err
		}
		return a.settings(s)
	})
}

func (a *app) settings(s admin.Settings) error {
	value := struct {
		MaxConcurrentWorkflows *int   `json:"maxConcurrentWorkflows"`
		AgeingStep             string `json:"ageingStep"`
		Retention              string `json:"retention"`

		AutoCreatePlan    *string `json:"autoCreatePlan"`
		TaskQueueTemplate string  `json:"taskQueueTemplate"`
	}{s.MaxConcurrentWorkflows, s.AgeingStep.String(), s.Retention.String(), s.AutoCreatePlan, s.TaskQueue}
	return a.result(value, func(w io.Writer) {
		fields(w, "max concurrent", orElse(wholeText(s.MaxConcurrentWorkflows), "not bounded"), "ageing step", s.AgeingStep.String(),
			"retention", retentionText(s.Retention), "auto-create plan", orElse(deref(s.AutoCreatePlan), "none: workspaces are created beforehand"),
			"task queue template", s.TaskQueue)
	})
}

func retentionText(keep time.Duration) string {
	switch {
	case keep == 0:
		return "for ever"
	case keep%day == 0:
		return plural(int(keep/day), "day", "days")
	}
	return keep.String()
}

func wholeText(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// rateText is a rate in the unit in which it was probably given.
func rateText(perSecond *float64, burst *int) string {
	if perSecond == nil {
		return ""
	}
	text := fmt.Sprintf("%.4g/s", *perSecond)
	for _, unit := range []string{"s", "m", "h"} {
		if n := *perSecond * rateUnits[unit]; n >= 0.9999 {
			text = fmt.Sprintf("%.4g/%s", n, unit)
			break
		}
	}
	if burst != nil {
		text += fmt.Sprintf(" burst %d", *burst)
	}
	return text
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
