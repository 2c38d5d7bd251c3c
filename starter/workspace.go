package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/overview"
)

func (a *app) workspaceCommand() *cobra.Command {
	return a.group("workspace", "Create, list and delete workspaces, set their plans and limits",
		a.workspaceCreate(), a.workspaceList(), a.workspaceSetPlan(), a.workspaceSet(), a.workspaceDelete())
}

func (a *app) workspaceCreate() *cobra.Command {
	var plan, key, id string
	command := &cobra.Command{
		Use: "create NAME", Short: "Create a workspace", Args: exactly("NAME"),
		Long: "Create a workspace. With a key, by which your platform knows it, commands, sluice.workspace and fairness keys name\n" +
			"it by that as well as by its id. Its name alone finds it nowhere.",
		Example: "  starter workspace create 'Acme Inc.' --key acme --plan PRO\n  starter workspace create globex",
	}
	command.Flags().StringVar(&plan, "plan", "FREE", "its plan; starter tier list shows them")
	command.Flags().StringVar(&key, "key", "", "what your platform calls it; no other workspace may have the same `key`")
	command.Flags().StringVar(&id, "id", "", "a `UUID` of your platform's own (default: one that is made)")
	return a.does(command, func(ctx context.Context, args []string) error {
		w := admin.NewWorkspace{Name: args[0], Plan: plan, ExternalKey: key}
		if command.Flags().Changed("key") && key == "" {
			return usage("--key must not be empty")
		}
		var err error
		if id != "" {
			if w.ID, err = uuid.Parse(id); err != nil || w.ID == uuid.Nil {
				return usage("--id %q is not a UUID", id)
			}
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		created, err := office.AddWorkspace(ctx, w, a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(created, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "workspace %s created: %s on plan %s\n", created.Name, created.ID, created.Plan)
		})
	})
}

func (a *app) workspaceList() *cobra.Command {
	var since daysFlag
	command := &cobra.Command{
		Use: "list", Short: "List workspaces with what they use and what they wait for", Args: exactly(),
		Long: "List workspaces with what they use and what they wait for. Of what has ended it counts the last hour, or as\n" +
			"much as --since says: with 0 all that is retained, which takes seconds where that is millions.",
	}
	since.duration = new(overview.EndedWindow)
	command.Flags().Var(&since, "since", "count what has ended in the last so long, like 24h or 7d; 0 for all that is retained (default 1h)")
	return a.does(command, func(ctx context.Context, _ []string) error {
		if *since.duration < 0 {
			return usage("--since must not be negative, got %s", *since.duration)
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		list, err := overview.Workspaces(ctx, pool, *since.duration)
		if err != nil {
			return err
		}
		return a.result(list, func(w io.Writer) { renderWorkspaces(w, list, *since.duration) })
	})
}

func (a *app) workspaceSetPlan() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "set-plan ID PLAN", Short: "Move a workspace to another plan", Args: exactly("ID", "PLAN"),
		Long: "Move a workspace to another plan, from the next claim on. A smaller plan ends nothing that runs: the\n" +
			"workspace starts nothing until it is below its new limit.",
	}, func(ctx context.Context, args []string) error {
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		id, err := a.workspaceOf(ctx, "argument", args[0])
		if err != nil {
			return err
		}
		changed, err := office.SetPlan(ctx, id, args[1], a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(changed, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "workspace %s is now on plan %s\n", changed.Name, changed.Plan)
		})
	})
}

func (a *app) workspaceSet() *cobra.Command {
	var limit, weight wholeFlag
	var quota quotaFlags
	var cohort, key nameFlag
	var hosts hostsFlag
	var lasts termFlags
	var fallBack bool
	var reason string
	command := &cobra.Command{
		Use: "set ID", Short: "Give a workspace a key, limits and allowed hosts of its own", Args: exactly("ID"),
		Long: "Give a workspace limits of its own instead of its plan's, while everything runs, from the next claim on. A\n" +
			"cut drains: it ends nothing that runs. With none, its plan's limit holds again.\n\n" +
			"The members of a cohort hold at most the sum of their nominal quotas together, and lend one another what they\n" +
			"leave idle of them. So give its members nominal quotas, or their plans.\n\n" +
			"With --for or --until limits hold for a time, and fall back by themselves to what they would be without, by the\n" +
			"clock of the database. To set such a limit for good ends that; --fall-back ends all of them.\n\n" +
			"With allowed hosts its http nodes call nothing else, from the next call on, redirects included.\n\n" +
			"With a key it is found by that as well as by its id: wherever these commands take the id of a workspace, and by\n" +
			"sluice.workspace.",
		Example: "  starter workspace set ID --max-concurrent 40\n  starter workspace set ID --cohort eu --nominal-quota 10 --borrowing-limit 20\n" +
			"  starter workspace set ID --max-concurrent 50 --for 2h --reason 'end of the month'\n" +
			"  starter workspace set ID --allowed-hosts 'api.example.com,*.b.example:443'",
	}
	f := command.Flags()
	f.Var(&limit, "max-concurrent", "how many workflows it may run at once; none: its plan's")
	f.Var(&weight, "weight", "its share, against others, when not all can be served at once; none: its plan's")
	f.Var(&cohort, "cohort", "whose members lend one another what they leave idle; none: it leaves its cohort")
	f.Var(&hosts, "allowed-hosts", "what its http nodes may call: names, *.NAME or addresses, with :PORT or without, separated by commas; none: any host")
	f.Var(&key, "key", "what your platform calls it; none: it has no key")
	quota.add(command, "its plan's")
	lasts.add(command, "they hold")
	f.StringVar(&reason, "reason", "", "why they hold for a time, for the activity log")
	f.BoolVar(&fallBack, "fall-back", false, "have all limits for a time fall back now")
	limits := append([]string{"max-concurrent", "weight", "cohort", "allowed-hosts", "key"}, quotaFlagNames...)
	command.MarkFlagsOneRequired(append([]string{"fall-back"}, limits...)...)
	for _, other := range append([]string{"for", "until"}, limits...) {
		command.MarkFlagsMutuallyExclusive("fall-back", other)
	}
	return a.does(command, func(ctx context.Context, args []string) error {
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		id, err := a.workspaceOf(ctx, "argument", args[0])
		if err != nil {
			return err
		}
		change := admin.WorkspaceChange{
			MaxConcurrentWorkflows: limit.change, Weight: weight.change, Cohort: cohort.change,
			ExternalKey: key.change, AllowedHosts: hosts.change, NominalQuota: quota.nominal.change, BorrowingLimit: quota.borrowing.change, LendingLimit: quota.lending.change, StartsPerSecond: quota.rate.change, Burst: quota.burst.change,
		}
		set, err := a.setWorkspace(ctx, office, id, change, &lasts, reason, fallBack)
		if err != nil {
			return err
		}
		return a.result(set, func(w io.Writer) { renderOwnLimits(w, set, a.now()) })
	})
}

func (a *app) workspaceDelete() *cobra.Command {
	var yes, drain bool
	var grace time.Duration
	command := &cobra.Command{
		Use: "delete ID", Short: "Delete a workspace and all that belongs to it", Args: exactly("ID"),
		Annotations: map[string]string{unbounded: "it deletes in batches, and can be broken off and run again"},
		Long: "Delete a workspace with its definitions, what it has waiting, what has ended, inputs, unique keys, log and limits.\n" +
			"From the first moment on nothing can be enqueued for it, unless an enqueue creates it anew: see limits set\n" +
			"--auto-create-plan. What runs is cancelled, and terminated when it has not ended within --grace. Without --yes it\n" +
			"only tells how much there is.\n\n" +
			"With --drain the workspace is paused first, and deleted when all that runs has ended by itself.\n\n" +
			"Run it again, with the id, when it was broken off, or to clean up after a workspace whose row was deleted with SQL.",
		Example: "  starter workspace delete ID\n  starter workspace delete ID --yes --grace 10s\n  starter workspace delete ID --yes --drain --timeout 1h",
	}
	command.Flags().BoolVar(&yes, "yes", false, "do it")
	command.Flags().BoolVar(&drain, "drain", false, "wait until what runs has ended by itself, and claim nothing new")
	command.Flags().DurationVar(&grace, "grace", 30*time.Second, "how long what runs may take to end when it is cancelled")
	command.MarkFlagsMutuallyExclusive("drain", "grace")
	return a.does(command, func(ctx context.Context, args []string) error {
		if grace < 0 {
			return usage("--grace must not be negative, got %s", grace)
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		id, err := a.workspaceOf(ctx, "argument", args[0])
		if err != nil {
			return err
		}
		if !yes {
			b, err := admin.New(pool).Belongings(ctx, id)
			if err != nil {
				return err
			}
			return usage("workspace %s (%s) has %d items that wait, %d that run and %d that have ended: to delete all of it, say --yes",
				id, orElse(deref(b.Name), "already deleted"), b.Pending, b.Running, b.Ended)
		}
		if drain {
			err := operate.Drain(ctx, pool, id, a.config.Actor, func(running int) {
				a.note(plural(running, "execution runs", "executions run") + " still; waiting for the end")
			})
			if err != nil && !errors.Is(err, admin.ErrUnknownWorkspace) { // one whose row is gone is cleaned up after
				return err
			}
		}
		deleted, err := operate.DeleteWorkspace(ctx, pool, a.client, id, a.config.Actor, grace)
		if err != nil {
			return err
		}
		return a.result(deleted, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "workspace %s deleted, with %d items that waited, %d that ran (%d terminated) and %d that had ended\n",
				id, deleted.Pending, deleted.Running, deleted.Terminated, deleted.Ended)
		})
	})
}
