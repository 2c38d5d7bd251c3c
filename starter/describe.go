package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/internal/overview"
	"sluice/queue"
	"sluice/workflows"
)

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
		result, err := a.overview(pool).Item(ctx, id)
		if err != nil {
			return err
		}
		names, err := namesOf(ctx, pool, []queue.State{result.State})
		if err != nil {
			return err
		}
		return a.result(result, func(w io.Writer) { renderItem(w, result, names, a.now()) })
	})
}

func renderItem(w io.Writer, d overview.Item, names workspaceNames, now time.Time) {
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
		"replay of", idText(d.ReplayOf),
		"replayed as", idText(d.ReplayedAs),
		"status", d.Status,
		"waits", waitText(d),
		"paused by", byWhom(d.Pause, now),
		"starts in", startText(d.EstimatedStart, now),
		"execution", deref(d.ExecutionStatus),
		"error", oneLine(failure(d.State), 500),
		"attempts", attempts,
		"workspace", workspaceText(d.WorkspaceID, names),
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

// workspaceText is a workspace's id with its key and its name.
func workspaceText(id uuid.UUID, names workspaceNames) string {
	text := id.String()
	if taken, name := names.of(id); name != "" {
		if taken != text {
			name = oneLine(taken, 200) + ", " + name
		}
		text += " (" + name + ")"
	}
	return text
}

func idText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
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

// waitText says why a pending item waits, and where.
func waitText(d overview.Item) string {
	text := ""
	if d.Status == "PENDING" {
		text = deref(d.Reason)
	}
	switch {
	case d.Place == 0:
		return text
	case text != "":
		text += ", "
	}
	if d.More {
		return text + fmt.Sprintf(">%d in the line of its workspace", d.Place)
	}
	return text + ordinal(d.Place) + " of its workspace"
}

// ordinal is 1st, 2nd, 3rd, 4th and so on.
func ordinal(n int) string {
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}

func (a *app) waitCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "wait ID", Short: "Wait until an item has ended, and print its outcome", Args: exactly("ID"),
		Long: "Wait until an item has ended, however it did, and print its outcome: its status and its result, or why it has\n" +
			"none. The exit code is 0 when its execution has COMPLETED, otherwise 1, as when it has not ended within\n" +
			"--timeout. Only Postgres is needed.",
		Example: "  starter wait 0199… --timeout 10m\n  starter wait 0199… --json | jq .output",
	}, func(ctx context.Context, args []string) error {
		id, err := itemID(args[0])
		if err != nil {
			return err
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		item, err := queue.New(pool).Wait(ctx, id)
		if err != nil {
			return err
		}
		if err := a.result(item, func(w io.Writer) { renderOutcome(w, item, a.now()) }); err != nil {
			return err
		}
		if finalStatus(item) != "COMPLETED" {
			return codeError(exitFailed)
		}
		return nil
	})
}

func renderOutcome(w io.Writer, item queue.State, now time.Time) {
	_, _ = fmt.Fprintf(w, "%s %s", finalStatus(item), item.ID)
	if timing := itemTiming(item, now); timing != "" {
		_, _ = fmt.Fprintf(w, ", %s", timing)
	}
	_, _ = fmt.Fprintln(w)
	if text := failure(item); text != "" {
		_, _ = fmt.Fprintln(w, oneLine(text, mostOfField))
	}
	if len(item.Output) > 0 {
		_, _ = fmt.Fprintln(w, string(item.Output))
	}
}
