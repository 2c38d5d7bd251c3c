package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/queue"
)

func (a *app) workspaceCommand() *cobra.Command {
	return a.group("workspace", "Create and list workspaces, set their plans",
		a.workspaceCreate(), a.workspaceList(), a.workspaceSetPlan())
}

func (a *app) workspaceCreate() *cobra.Command {
	var plan string
	command := &cobra.Command{
		Use: "create NAME", Short: "Create a workspace", Args: exactly("NAME"),
		Example: "  starter workspace create acme --plan PRO",
	}
	command.Flags().StringVar(&plan, "plan", "FREE", "its plan; starter tier list shows them")
	return a.does(command, func(ctx context.Context, args []string) error {
		q, err := a.queue(ctx)
		if err != nil {
			return err
		}
		created, err := q.CreateWorkspace(ctx, args[0], plan, a.config.Actor)
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
		q, err := a.queue(ctx)
		if err != nil {
			return err
		}
		list, err := q.Workspaces(ctx)
		if err != nil {
			return err
		}
		return a.result(append([]queue.WorkspaceUsage{}, list...), func(w io.Writer) { renderWorkspaces(w, list) })
	})
}

func (a *app) workspaceSetPlan() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "set-plan ID PLAN", Short: "Move a workspace to another plan", Args: exactly("ID", "PLAN"),
		Long: "Move a workspace to another plan, from the dispatcher's next cycle on. A smaller plan ends nothing that\n" +
			"runs: the workspace starts nothing until it is below its new limit.",
	}, func(ctx context.Context, args []string) error {
		id, err := workspaceID("argument", args[0])
		if err != nil {
			return err
		}
		q, err := a.queue(ctx)
		if err != nil {
			return err
		}
		changed, err := q.SetPlan(ctx, id, args[1], a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(changed, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "workspace %s is now on plan %s\n", changed.Name, changed.Plan)
		})
	})
}
