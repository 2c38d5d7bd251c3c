package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
)

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
	var taskQueue, fairness string
	command := &cobra.Command{
		Use: "set", Short: "Change what holds for all workspaces together", Args: exactly(),
		Long: "Change limits while everything runs, from the next claim on. A cut drains: it ends nothing that runs.\n\n" +
			"--max-concurrent is what the fleet can run. What it has not enough of is divided by the workspaces' weights;\n" +
			"starts within nominal quotas go first.\n\n" +
			"--ageing-step is the head start of a priority against the next one: with 5m, an item of priority 5 goes at the\n" +
			"latest before what becomes available 20 minutes after it with priority 1. With 0s, priorities only break ties.\n\n" +
			"--fairness is what workspaces share by their weights: slot-time, the time for which slots are held, so that who\n" +
			"runs long executions starts fewer of them; or starts, however long they take.\n\n" +
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
	command.Flags().StringVar(&fairness, "fairness", "", "what workspaces share by weight: `slot-time` or starts")
	command.MarkFlagsOneRequired("max-concurrent", "ageing-step", "retention", "auto-create-plan", "task-queue-template", "fairness")
	return a.does(command, func(ctx context.Context, _ []string) error {
		change := admin.SettingsChange{MaxConcurrentWorkflows: limit.change, Retention: keep.duration, AutoCreatePlan: plan.change}
		if command.Flags().Changed("task-queue-template") {
			change.TaskQueue = &taskQueue
		}
		if command.Flags().Changed("fairness") {
			change.Fairness = &fairness
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
		Fairness          string  `json:"fairness"`
	}{s.MaxConcurrentWorkflows, s.AgeingStep.String(), s.Retention.String(), s.AutoCreatePlan, s.TaskQueue, s.Fairness}
	return a.result(value, func(w io.Writer) {
		fields(w, "max concurrent", orElse(wholeText(s.MaxConcurrentWorkflows), "not bounded"), "ageing step", s.AgeingStep.String(),
			"retention", retentionText(s.Retention), "auto-create plan", orElse(deref(s.AutoCreatePlan), "none: workspaces are created beforehand"),
			"task queue template", s.TaskQueue, "fairness counts", s.Fairness)
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

// setWorkspace changes limits for good or for a time, or ends those for a time.
func (a *app) setWorkspace(ctx context.Context, office *admin.Client, id uuid.UUID, change admin.WorkspaceChange, lasts *termFlags, reason string, fallBack bool) (set admin.WorkspaceLimits, err error) {
	switch {
	case fallBack:
		if _, err := office.EndTemporary(ctx, id, a.config.Actor); err != nil {
			return set, err
		}
		list, err := office.WorkspaceLimits(ctx, id)
		if err == nil && len(list) == 0 {
			err = usage("unknown workspace %s", id)
		}
		if err != nil {
			return set, err
		}
		return list[0], nil
	case lasts.given():
		term, err := lasts.term()
		if err != nil {
			return set, err
		}
		return office.SetWorkspaceFor(ctx, id, change, term, a.config.Actor, reason)
	case reason != "":
		return set, usage("--reason says why limits hold for a time: give --for or --until too")
	}
	return office.SetWorkspace(ctx, id, change, a.config.Actor)
}

func renderOwnLimits(w io.Writer, set admin.WorkspaceLimits, now time.Time) {
	text := ""
	for _, part := range [][2]string{
		{"key", deref(set.ExternalKey)}, {"max concurrent", wholeText(set.MaxConcurrentWorkflows)}, {"weight", wholeText(set.Weight)}, {"cohort", deref(set.Cohort)},
	} {
		if part[1] != "" {
			text += ", " + part[0] + " " + part[1]
		}
	}
	text += limitsText(set.NominalQuota, set.BorrowingLimit, set.LendingLimit, set.StartsPerSecond, set.Burst)
	if len(set.AllowedHosts) > 0 {
		text += ", allowed hosts " + strings.Join(set.AllowedHosts, " ")
	}
	_, _ = fmt.Fprintf(w, "workspace %s on plan %s%s\n", set.Name, set.Plan, orElse(text, ", without limits of its own"))
	for _, t := range set.Temporary {
		text := fmt.Sprintf("%s %g until %s (%s), by %s", t.Limit, t.To, stamp(&t.Until), relative(&t.Until, now), t.Actor)
		if t.Reason != "" {
			text += ": " + t.Reason
		}
		_, _ = fmt.Fprintln(w, oneLine(text, mostOfField))
	}
}
