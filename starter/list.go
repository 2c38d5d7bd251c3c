package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/store/estimates"
	"sluice/queue"
)

const maxLimit = 10_000

// statuses are what --status knows: those of items, then those of executions.
var statuses = []string{
	"PENDING", "CLAIMED", "DISPATCHED", "FAILED", "CANCELLED", "EXPIRED",
	"RUNNING", "COMPLETED", "TERMINATED", "TIMED_OUT",
}

// refusedStatuses are those of items that ended without an execution.
var refusedStatuses = []string{"FAILED", "CANCELLED", "EXPIRED"}

func (a *app) listCommand() *cobra.Command {
	var workspace, definition, kind, workflow, status, reason, before string
	var limit int
	command := &cobra.Command{
		Use: "list", Short: "List queue items, newest first", Args: exactly(),
		Long: "List queue items and their executions, newest first. A status is one of\n" + strings.Join(statuses, " ") + ".\n\n" +
			"Of pending items it tells why they wait, and in what time each is expected to start, in nine cases of ten; – and why where\n" +
			"that cannot be said. starter describe ID shows the place in line as well.\n\n" +
			"--reason finds what ended without an execution: it is the word before the colon under ERROR, such as start-failed.\n" +
			"To see older items than those of a page, name its last one with --before.",
		Example: "  starter list --status FAILED --workspace ID\n  starter list --type SendInvoice --status RUNNING\n  starter list --workflow-id invoice-4711\n  starter list --reason start-failed --limit 200 --before ID",
	}
	command.Flags().StringVar(&workspace, "workspace", "", "only those of the workspace with this `id` or key")
	command.Flags().StringVar(&definition, "definition", "", "only those of the workflow definition with this `id`")
	command.Flags().StringVar(&kind, "type", "", "only workflows of this type, by its `name`")
	command.Flags().StringVar(&workflow, "workflow-id", "", "only those whose workflow has this `id` in Temporal")
	command.Flags().StringVar(&reason, "reason", "", "only those that ended without an execution for this reason, in one `word`")
	command.Flags().StringVar(&before, "before", "", "only those that are older than the item with this `id`")
	command.Flags().StringVar(&status, "status", "", "only those in this status, of the item or of its execution")
	command.Flags().IntVar(&limit, "limit", 50, "at most so many")
	return a.does(command, func(ctx context.Context, _ []string) error {
		filter := queue.Filter{WorkflowType: kind, WorkflowID: workflow, Status: strings.ToUpper(status), Reason: reason, Limit: limit}
		var err error
		if definition != "" {
			if filter.DefinitionID, err = definitionID("--definition", definition); err != nil {
				return err
			}
		}
		if before != "" {
			if filter.Before, err = parseID("--before", strings.TrimPrefix(before, "execution-"), "queue item", "starter list"); err != nil {
				return err
			}
		}
		if command.Flags().Changed("status") && !slices.Contains(statuses, filter.Status) {
			return usage("unknown --status %q: it is one of %s", status, strings.Join(statuses, ", "))
		}
		if reason != "" && status != "" && !slices.Contains(refusedStatuses, filter.Status) {
			return usage("--reason is why an item ended without an execution: of those --status is one of %s", strings.Join(refusedStatuses, ", "))
		}
		if limit < 1 || limit > maxLimit {
			return usage("--limit must be 1 to %d, not %d", maxLimit, limit)
		}
		if kind != "" && definition != "" {
			return usage("--type is of workflows, and --definition excludes them: give one of the two")
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		if filter.WorkspaceID, err = a.optionalWorkspace(ctx, command, workspace); err != nil {
			return err
		}
		items, err := queue.New(pool).List(ctx, filter)
		if err != nil {
			return err
		}
		if _, err := a.overview(pool).ExplainWaits(ctx, 0, items); err != nil {
			return err
		}
		starts, err := a.overview(pool).Starts(ctx, items)
		if err != nil {
			return err
		}
		names, err := namesOf(ctx, pool, items)
		if err != nil {
			return err
		}
		listed := make([]listedItem, len(items))
		for i, item := range items {
			listed[i] = listedItem{item, starts[item.ID]}
		}
		return a.result(listed, func(w io.Writer) { renderItems(w, listed, names, a.now()) })
	})
}

// listedItem is an item with when it is expected to start, if it waits.
type listedItem struct {
	queue.State
	EstimatedStart *estimates.Start `json:"estimatedStart,omitempty"`
}

// workspaceNames are workspaces as people know them, by their ids. One that is not there has been deleted.
type workspaceNames map[uuid.UUID]workspaceName

type workspaceName struct{ name, key string }

// namesOf returns the names of the workspaces of items.
func namesOf(ctx context.Context, pool *pgxpool.Pool, items []queue.State) (workspaceNames, error) {
	names := workspaceNames{}
	if len(items) == 0 {
		return names, nil // of no workspaces stands for all
	}
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = item.WorkspaceID
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	list, err := admin.New(pool).WorkspaceLimits(ctx, slices.Compact(ids)...)
	for _, w := range list {
		names[w.ID] = workspaceName{w.Name, deref(w.ExternalKey)}
	}
	return names, err
}

// of is what commands take for a workspace, its key or else its id, and its name.
func (n workspaceNames) of(id uuid.UUID) (taken, name string) {
	return cmp.Or(n[id].key, id.String()), oneLine(n[id].name, 40)
}

func renderItems(w io.Writer, items []listedItem, names workspaceNames, now time.Time) {
	if len(items) == 0 {
		_, _ = fmt.Fprintln(w, "no items")
		return
	}
	rows, types := make([][]string, len(items)), false
	for i, item := range items {
		types = types || item.WorkflowType != nil
		workspace, name := names.of(item.WorkspaceID)
		rows[i] = []string{item.ID.String(), item.Status, deref(item.ExecutionStatus), fmt.Sprint(item.Priority),
			relative(&item.CreatedAt, now), itemTiming(item.State, now), startText(item.EstimatedStart, now), workspace, name, oneLine(itemError(item.State), 60)}
	}
	head := []string{"ITEM", "STATUS", "EXECUTION", "PRIORITY", "ENQUEUED", "TIMING", "STARTS IN", "WORKSPACE", "NAME", "ERROR"}
	if types {
		head = slices.Insert(head, 1, "TYPE")
		for i, item := range items {
			rows[i] = slices.Insert(rows[i], 1, deref(item.WorkflowType))
		}
	}
	table(w, head, rows)
}

// itemTiming is what matters of an item's times in its state.
func itemTiming(item queue.State, now time.Time) string {
	switch {
	case item.CompletedAt != nil && item.DispatchedAt != nil:
		return "ran " + runtime(item.CompletedAt.Sub(*item.DispatchedAt))
	case item.CompletedAt != nil:
		return "ended " + relative(item.CompletedAt, now)
	case item.UnservedSince != nil:
		return "unserved for " + span(max(now.Sub(*item.UnservedSince), 0))
	case item.DispatchedAt != nil:
		return "started " + relative(item.DispatchedAt, now)
	case item.Status == "PENDING" && item.AvailableAt.After(now):
		return "due " + relative(&item.AvailableAt, now)
	case item.Status == "PENDING":
		text := "waits " + span(max(now.Sub(item.AvailableAt), 0))
		if item.Reason != nil {
			text += ", " + *item.Reason
		}
		return text
	}
	return ""
}

// runtime is finer than span: many executions take a second or two.
func runtime(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return span(d)
}

// itemError is why the item or its execution failed, or what keeps the execution.
func itemError(item queue.State) string {
	if text := failure(item); text != "" {
		return text
	}
	return deref(item.Unserved)
}

func failure(item queue.State) string {
	if item.Error != nil {
		return *item.Error
	}
	if len(item.ExecutionError) > 0 {
		return outcomeMessage(item.ExecutionError)
	}
	return ""
}

// startText is in what time an item is expected to start: an interval, or – and why there is none.
func startText(s *estimates.Start, now time.Time) string {
	switch {
	case s == nil:
		return ""
	case s.Before == nil || s.After == nil:
		return "– (" + s.Why + ")"
	}
	after, before := shortSpan(s.After.Sub(now)), shortSpan(s.Before.Sub(now))
	if after == before {
		return "about " + after
	}
	return after + " to " + before
}

// shortSpan is a time from now on, to a tenth of a second while it is short.
func shortSpan(d time.Duration) string {
	if d = max(d, 0); d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return span(d)
}
