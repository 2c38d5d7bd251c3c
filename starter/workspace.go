package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/store/facts"
)

func (a *app) workspaceCommand() *cobra.Command {
	return a.group("workspace", "Create and list workspaces, set their plans and limits",
		a.workspaceCreate(), a.workspaceList(), a.workspaceSetPlan(), a.workspaceSet())
}

func (a *app) workspaceCreate() *cobra.Command {
	var plan string
	command := &cobra.Command{
		Use: "create NAME", Short: "Create a workspace", Args: exactly("NAME"),
		Example: "  starter workspace create acme --plan PRO",
	}
	command.Flags().StringVar(&plan, "plan", "FREE", "its plan; starter tier list shows them")
	return a.does(command, func(ctx context.Context, args []string) error {
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		created, err := office.CreateWorkspace(ctx, args[0], plan, a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(created, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "workspace %s created: %s on plan %s\n", created.Name, created.ID, created.Plan)
		})
	})
}

func (a *app) workspaceList() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "list", Short: "List workspaces with what they use and what they wait for", Args: exactly(),
	}, func(ctx context.Context, _ []string) error {
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		list, err := facts.Workspaces(ctx, pool)
		if err != nil {
			return err
		}
		return a.result(append([]facts.WorkspaceUsage{}, list...), func(w io.Writer) { renderWorkspaces(w, list) })
	})
}

func (a *app) workspaceSetPlan() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "set-plan ID PLAN", Short: "Move a workspace to another plan", Args: exactly("ID", "PLAN"),
		Long: "Move a workspace to another plan, from the next claim on. A smaller plan ends nothing that runs: the\n" +
			"workspace starts nothing until it is below its new limit.",
	}, func(ctx context.Context, args []string) error {
		id, err := workspaceID("argument", args[0])
		if err != nil {
			return err
		}
		office, err := a.office(ctx)
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
	var cohort nameFlag
	var hosts hostsFlag
	command := &cobra.Command{
		Use: "set ID", Short: "Give a workspace limits and allowed hosts of its own", Args: exactly("ID"),
		Long: "Give a workspace limits of its own instead of its plan's, while everything runs, from the next claim on. A\n" +
			"cut drains: it ends nothing that runs. With none, its plan's limit holds again.\n\n" +
			"The members of a cohort hold at most the sum of their nominal quotas together, and lend one another what they\n" +
			"leave idle of them. So give its members nominal quotas, or their plans.\n\n" +
			"With allowed hosts its http nodes call nothing else, from the next call on, redirects included.",
		Example: "  starter workspace set ID --max-concurrent 40\n  starter workspace set ID --cohort eu --nominal-quota 10 --borrowing-limit 20\n" +
			"  starter workspace set ID --allowed-hosts 'api.example.com,*.b.example:443'",
	}
	f := command.Flags()
	f.Var(&limit, "max-concurrent", "how many workflows it may run at once; none: its plan's")
	f.Var(&weight, "weight", "its share, against others, when not all can be served at once; none: its plan's")
	f.Var(&cohort, "cohort", "whose members lend one another what they leave idle; none: it leaves its cohort")
	f.Var(&hosts, "allowed-hosts", "what its http nodes may call: names, *.NAME or addresses, with :PORT or without, separated by commas; none: any host")
	quota.add(command, "its plan's")
	command.MarkFlagsOneRequired(append([]string{"max-concurrent", "weight", "cohort", "allowed-hosts"}, quotaFlagNames...)...)
	return a.does(command, func(ctx context.Context, args []string) error {
		id, err := workspaceID("argument", args[0])
		if err != nil {
			return err
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		set, err := office.SetWorkspace(ctx, id, admin.WorkspaceChange{
			MaxConcurrentWorkflows: limit.change, Weight: weight.change, Cohort: cohort.change,
			AllowedHosts: hosts.change, NominalQuota: quota.nominal.change, BorrowingLimit: quota.borrowing.change, StartsPerSecond: quota.rate.change, Burst: quota.burst.change,
		}, a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(set, func(w io.Writer) { renderOwnLimits(w, set) })
	})
}

func renderOwnLimits(w io.Writer, set admin.WorkspaceLimits) {
	text := ""
	for _, part := range [][2]string{
		{"max concurrent", wholeText(set.MaxConcurrentWorkflows)}, {"weight", wholeText(set.Weight)}, {"cohort", deref(set.Cohort)},
	} {
		if part[1] != "" {
			text += ", " + part[0] + " " + part[1]
		}
	}
	text += limitsText(set.NominalQuota, set.BorrowingLimit, set.StartsPerSecond, set.Burst)
	if len(set.AllowedHosts) > 0 {
		text += ", allowed hosts " + strings.Join(set.AllowedHosts, " ")
	}
	_, _ = fmt.Fprintf(w, "workspace %s on plan %s%s\n", set.Name, set.Plan, orElse(text, ", without limits of its own"))
}
