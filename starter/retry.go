package main

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
)

// retried is what retry prints.
type retried struct {
	Retried int64 `json:"retried"`
	Expired int64 `json:"expired"` // left alone: they would only expire
}

func (a *app) retryCommand() *cobra.Command {
	var workspace, reason string
	var all bool
	var limit int
	command := &cobra.Command{
		Use: "retry [ID...]", Short: "Put FAILED items back into the queue", Args: cobra.ArbitraryArgs,
		Long: "Put items that FAILED before they started back to PENDING, ready at once and with no attempts counted: those\n" +
			"named, or those of a filter. Of the items named, all are retried or none. An item whose expiry has passed is\n" +
			"left alone. Why items failed is in: starter list --status FAILED.",
		Example: "  starter retry --reason definition-gone\n  starter retry --all --limit 1000",
	}
	command.Flags().StringVar(&workspace, "workspace", "", "those of the workspace with this `id` or key")
	command.Flags().StringVar(&reason, "reason", "", "those that failed for this reason, such as start-failed")
	command.Flags().BoolVar(&all, "all", false, "every FAILED item")
	command.Flags().IntVar(&limit, "limit", 0, "at most so many, oldest first; 0 for no limit")
	command.MarkFlagsMutuallyExclusive("all", "workspace")
	command.MarkFlagsMutuallyExclusive("all", "reason")
	return a.does(command, func(ctx context.Context, args []string) error {
		given := command.Flags().Changed
		switch filtered := all || given("workspace") || given("reason"); {
		case len(args) > 0 && (filtered || given("limit")):
			return usage("give ids or a filter, not both")
		case len(args) == 0 && !filtered:
			return usage("say what to retry: ids, --workspace, --reason, or --all")
		case given("reason") && reason == "":
			return usage("--reason must not be empty")
		case limit < 0:
			return usage("--limit must not be negative, got %d", limit)
		}
		filter := admin.RetryFilter{Reason: reason, Limit: limit}
		var err error
		if filter.IDs, err = itemIDs(args); err != nil {
			return err
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		if filter.WorkspaceID, err = a.optionalWorkspace(ctx, command, workspace); err != nil {
			return err
		}
		var result retried
		if result.Retried, err = office.Retry(ctx, filter, a.config.Actor); err != nil {
			return err
		}
		if filter.IDs == nil {
			if result.Expired, err = office.CountExpired(ctx, filter); err != nil {
				return err
			}
		}
		return a.result(result, func(w io.Writer) { renderRetried(w, result) })
	})
}

func renderRetried(w io.Writer, r retried) {
	text := plural(int(r.Retried), "item", "items") + " retried"
	if r.Expired > 0 {
		text += fmt.Sprintf("; %s left FAILED: the expiry has passed", plural(int(r.Expired), "item", "items"))
	}
	_, _ = fmt.Fprintln(w, text)
}

// itemIDs is nil for no arguments.
func itemIDs(args []string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, arg := range args {
		id, err := itemID(arg)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
