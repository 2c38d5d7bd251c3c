package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/workflows"
)

// described is one item with what has happened to it. Of one that waits, reason says why.
type described struct {
	queue.State
	Place    int              `json:"place,omitempty"` // in the line of its workspace, from 1 on
	More     bool             `json:"more,omitempty"`  // it stands somewhere behind Place
	Activity []facts.Activity `json:"activity"`
	WebURL   string           `json:"webUrl,omitempty"`
	// MissingTypes are the workflow types that it needs on its workspace's task queue and that no worker has.
	MissingTypes []string `json:"missingTypes,omitempty"`
}

func (a *app) describeCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "describe ID", Short: "Show one item, its execution and what has happened to it", Args: exactly("ID"),
	}, func(ctx context.Context, args []string) error {
		id, err := itemID(args[0])
		if err != nil {
			return err
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		item, err := queue.New(pool).Get(ctx, id)
		if err != nil {
			return err
		}
		activity, err := facts.ItemActivity[facts.Activity](ctx, pool, id)
		if err != nil {
			return err
		}
		items := []queue.State{item}
		waits, err := a.explainWaits(ctx, pool, facts.MostPlaces, items)
		if err != nil {
			return err
		}
		result := described{State: items[0], Place: waits[id].Place, More: waits[id].More, Activity: append([]facts.Activity{}, activity...)}
		if result.MissingTypes, err = facts.MissingTypesOf(ctx, pool, id); err != nil {
			return err
		}
		if item.ExecutionID != nil {
			result.WebURL = a.workflowLink(item.WorkflowID, deref(item.EngineRunID))
		}
		return a.result(result, func(w io.Writer) { renderItem(w, result, a.now()) })
	})
}

func renderItem(w io.Writer, d described, now time.Time) {
	workflow := ""
	if d.ExecutionID != nil || d.WorkflowType != nil {
		workflow = d.WorkflowID
	}
	attempts, definition := "", ""
	if d.WorkflowDefinitionID != nil {
		definition = d.WorkflowDefinitionID.String()
	}
	if d.AttemptCount > 0 {
		attempts = plural(d.AttemptCount, "failed start", "failed starts")
	}
	fields(w,
		"item", d.ID.String(),
		"status", d.Status,
		"waits", waitText(d),
		"execution", deref(d.ExecutionStatus),
		"error", oneLine(failure(d.State), 500),
		"attempts", attempts,
		"workspace", d.WorkspaceID.String(),
		"definition", definition,
		"type", deref(d.WorkflowType),
		"task queue", deref(d.TaskQueue),
		"priority", fmt.Sprint(d.Priority),
		"unique key", deref(d.UniqueKey),
		"enqueued", withRelative(&d.CreatedAt, now),
		"available", withRelative(&d.AvailableAt, now),
		"expires", withRelative(d.ExpiresAt, now),
		"started", withRelative(d.DispatchedAt, now),
		"unserved since", withRelative(d.UnservedSince, now),
		"unserved", oneLine(deref(d.Unserved), 500),
		"stuck", stuckText(d.MissingTypes),
		"ended", withRelative(d.CompletedAt, now),
		"workflow", workflow,
		"run", deref(d.EngineRunID),
		"web ui", d.WebURL,
		"input", oneLine(string(d.Input), 500),
		"output", oneLine(string(d.Output), 500))
	if len(d.Activity) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w)
	rows := make([][]string, len(d.Activity))
	for i, step := range d.Activity {
		details := string(step.Details)
		if details == "{}" {
			details = ""
		}
		rows[i] = []string{step.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"), step.Actor, step.Action, deref(step.Reason), oneLine(details, 80)}
	}
	table(w, []string{"AT", "ACTOR", "ACTION", "REASON", "DETAILS"}, rows)
}

// stuckText says which types are missing; what needs none of these goes on.
func stuckText(missing []string) string {
	texts := make([]string, len(missing))
	for i, name := range missing {
		texts[i] = noWorkerHosts(name)
	}
	return strings.Join(texts, "; ")
}

func withRelative(t *time.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(t) + " (" + relative(t, now) + ")"
}

// outcomeMessage is the text of an execution's error, or the raw JSON when it has another form.
func outcomeMessage(raw json.RawMessage) string {
	var e workflows.OutcomeError
	if err := json.Unmarshal(raw, &e); err != nil || e.Message == "" {
		return string(raw)
	}
	if e.NodeName != "" {
		return "node " + e.NodeName + ": " + e.Message
	}
	return e.Message
}
