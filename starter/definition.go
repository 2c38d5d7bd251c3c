package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
)

// maxDefinitionFile bounds what is read; package admin has the exact limit and the better message.
const maxDefinitionFile = 4 << 20

func (a *app) definitionCommand() *cobra.Command {
	return a.group("definition", "Apply, list and delete workflow definitions", a.definitionApply(), a.definitionList(), a.definitionDelete())
}

func (a *app) definitionApply() *cobra.Command {
	var workspace string
	command := &cobra.Command{
		Use: "apply FILE", Short: "Make a file the current version of the definition it names", Args: exactly("FILE"),
		Long: "Validate a definition file (- reads stdin) and make it the current version of the definition with its name\n" +
			"in the workspace. Applying what is current already changes nothing.",
		Example: "  starter definition apply order.json --workspace 0199…",
	}
	command.Flags().StringVar(&workspace, "workspace", "", workspaceUsage)
	_ = command.MarkFlagRequired("workspace") // fails only for a flag that does not exist
	return a.does(command, func(ctx context.Context, args []string) error {
		raw, err := a.readFile(args[0], maxDefinitionFile)
		if err != nil {
			return err
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		id, err := a.workspaceOf(ctx, "--workspace", workspace)
		if err != nil {
			return err
		}
		applied, err := office.ApplyDefinition(ctx, id, raw, a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(applied, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "definition %s is at version %d: %s (%s)\n", applied.Name, applied.Version, applied.ID, plural(applied.Nodes, "node", "nodes"))
		})
	})
}

func (a *app) definitionList() *cobra.Command {
	var workspace, after string
	var limit int
	command := &cobra.Command{
		Use: "list", Short: "List definitions at their current versions", Args: exactly(),
		Long: "List definitions at their current versions, those of a workspace together and by name. To see more than those of\n" +
			"a page, name its last one with --after.",
	}
	command.Flags().StringVar(&workspace, "workspace", "", "only those of the workspace with this `id` or key")
	command.Flags().StringVar(&after, "after", "", "only those that come after the definition with this `id`")
	command.Flags().IntVar(&limit, "limit", 50, "at most so many")
	return a.does(command, func(ctx context.Context, _ []string) error {
		filter := admin.DefinitionFilter{Limit: limit}
		var err error
		if after != "" {
			if filter.After, err = definitionID("--after", after); err != nil {
				return err
			}
		}
		if limit < 1 || limit > maxLimit {
			return usage("--limit must be 1 to %d, not %d", maxLimit, limit)
		}
		if filter.WorkspaceID, err = a.optionalWorkspace(ctx, command, workspace); err != nil {
			return err
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		list, err := office.Definitions(ctx, filter)
		if err != nil {
			return err
		}
		return a.result(append([]admin.Definition{}, list...), func(w io.Writer) { renderDefinitions(w, list, a.now()) })
	})
}

func renderDefinitions(w io.Writer, list []admin.Definition, now time.Time) {
	if len(list) == 0 {
		_, _ = fmt.Fprintln(w, "no definitions; add one with: starter definition apply FILE --workspace ID")
		return
	}
	rows := make([][]string, len(list))
	for i, d := range list {
		rows[i] = []string{d.ID.String(), d.Name, fmt.Sprint(d.Version), fmt.Sprint(d.Nodes), relative(&d.UpdatedAt, now), d.WorkspaceID.String()}
	}
	table(w, []string{"DEFINITION", "NAME", "VERSION", "NODES", "UPDATED", "WORKSPACE"}, rows)
}

func (a *app) definitionDelete() *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use: "delete ID", Short: "Delete a definition with its versions", Args: exactly("ID"),
		Long: "Delete a definition with its versions. Nothing can be enqueued of it from then on, and its name is free. What waits of it\n" +
			"ends FAILED (definition-gone) when its turn comes, and what has started goes on: to end these too, cancel them before.\n" +
			"Without --yes it only tells how much there is.",
		Example: "  starter cancel --definition ID --yes\n  starter definition delete ID --yes",
	}
	command.Flags().BoolVar(&yes, "yes", false, "do it")
	return a.does(command, func(ctx context.Context, args []string) error {
		id, err := definitionID("argument", args[0])
		if err != nil {
			return err
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		if !yes {
			return a.toldOfDefinition(ctx, office, id)
		}
		gone, err := office.DeleteDefinition(ctx, id, a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(gone, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "definition %s deleted, which was at version %d: %s\n", gone.Name, gone.Version, gone.ID)
		})
	})
}

// toldOfDefinition refuses to delete a definition, and tells what there is of it.
func (a *app) toldOfDefinition(ctx context.Context, office *admin.Client, id uuid.UUID) error {
	found, err := office.Definition(ctx, id)
	if err != nil {
		return err
	}
	items, err := office.Select(ctx, admin.Cancel, admin.Filter{DefinitionID: id})
	if err != nil {
		return err
	}
	return usage("definition %s (%s) has %d items that wait, which would end FAILED, and %d that run: to delete it, say --yes",
		id, found.Name, items.Counts["PENDING"], items.Counts["CLAIMED"]+items.Counts["RUNNING"])
}
