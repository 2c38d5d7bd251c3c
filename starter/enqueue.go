package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/queue"
)

const (
	maxCount     = 1_000_000
	enqueueChunk = 1_000   // items in one transaction
	maxInputFile = 4 << 20 // bounds what is read; package queue has the exact limit and the better message
)

// enqueueFlags are the flags of enqueue as they were given.
type enqueueFlags struct {
	workspace, definition, input, uniqueKey string
	workflow                                workflowFlags
	availableAt, expiresAt                  string
	delay, expiresIn                        time.Duration
	uniqueFor                               daysFlag
	priority, count                         int
}

// enqueued is what enqueue prints: the queue's answer, and for --count the ids of all items.
type enqueued struct {
	queue.Answer
	Count    int         `json:"count,omitempty"`
	QueueIDs []uuid.UUID `json:"queueIds,omitempty"`
}

func (a *app) enqueueCommand() *cobra.Command {
	var f enqueueFlags
	command := &cobra.Command{
		Use: "enqueue", Short: "Put a workflow or a definition into the queue", Args: exactly(),
		Long: "Put an item into the queue of its workspace: a workflow of a type of your own, which your workers run, or a\n" +
			"definition. It starts when the workspace has a free slot. Only Postgres is needed.\n\n" +
			"Each --arg is an argument of the workflow, as JSON. Without --task-queue it runs on that which starter limits\n" +
			"shows. --options takes the JSON object that sluice.enqueue_workflow takes: executionTimeout, runTimeout,\n" +
			"taskTimeout, retry, memo, searchAttributes, summary, details, onConflict. With --on-conflict wait the item waits\n" +
			"while another workflow of its id is open; otherwise it ends FAILED then.\n\n" +
			"With --unique-key nothing is enqueued while an earlier item of the workspace holds the key: the answer is that\n" +
			"item, and its status tells what has become of it (QUEUED, CLAIMED, RUNNING, COMPLETED, FAILED, ...). An item\n" +
			"holds its key while it waits or runs, and then as long as it is retained. With --unique-for 7d it holds it for a\n" +
			"week after its end, with --unique-for 0 only while it waits or runs; starter release-key lets it go.\n\n" +
			"When --count is cut off, the ids of what is enqueued are printed, with --json as queueIds of the error. What\n" +
			"may be enqueued, because the database did not answer any more, is in doubtfulIds.",
		Example: "  starter enqueue --workspace acme --type SendInvoice --task-queue invoices --arg '{\"order\": 4711}' --arg 42\n" +
			"  starter enqueue --workspace acme --type SendInvoice --workflow-id invoice-4711 --on-conflict wait --arg @order.json\n" +
			"  starter enqueue --workspace 0199… --definition 0199… --input '{\"order\": 7}'\n" +
			"  starter enqueue --workspace 0199… --definition 0199… --input @order.json --delay 10m --unique-key order-7\n" +
			"  starter enqueue --workspace 0199… --definition 0199… --unique-key nightly-report --unique-for 0",
	}
	flags := command.Flags()
	flags.StringVar(&f.workspace, "workspace", "", workspaceUsage)
	f.workflow.add(command)
	flags.StringVar(&f.definition, "definition", "", "the definition's `id`; it must belong to the workspace")
	flags.StringVar(&f.input, "input", "{}", "of a definition: a `JSON` object, @FILE, or - for stdin")
	flags.IntVar(&f.priority, "priority", queue.DefaultPriority, "1 (first) to 5 (last) among the workspace's items")
	flags.StringVar(&f.availableAt, "available-at", "", "earliest start, an RFC 3339 `time`")
	flags.DurationVar(&f.delay, "delay", 0, "earliest start, from now")
	flags.StringVar(&f.expiresAt, "expires-at", "", "give up if not started by this RFC 3339 `time`")
	flags.DurationVar(&f.expiresIn, "expires-in", 0, "give up if not started this long from now")
	flags.StringVar(&f.uniqueKey, "unique-key", "", "a repeated enqueue under the same `key` answers with the first item")
	flags.Var(&f.uniqueFor, "unique-for", "how long after its end an item goes on holding its key, like 7d or 12h; 0: only while it waits or runs (default: as long as it is retained)")
	flags.IntVar(&f.count, "count", 1, "enqueue it so many times")
	_ = command.MarkFlagRequired("workspace") // fails only for a flag that does not exist
	command.MarkFlagsOneRequired("type", "definition")
	command.MarkFlagsMutuallyExclusive("type", "definition")
	command.MarkFlagsMutuallyExclusive("available-at", "delay")
	command.MarkFlagsMutuallyExclusive("expires-at", "expires-in")
	return a.does(command, func(ctx context.Context, _ []string) error {
		item, err := f.item(command)
		if err != nil {
			return err
		}
		if item.Workflow, err = a.workflowOf(command, &f); err != nil {
			return err
		}
		if item.Workflow == nil {
			if item.Input, err = a.readJSON("--input", f.input, `an object such as '{"key": "value"}'`); err != nil {
				return err
			}
		}
		item.EnqueuedBy = a.config.Actor
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		if err := f.setTimes(ctx, pool, &item); err != nil {
			return err
		}
		if item.Workflow != nil { // whose workspace is created where that is allowed
			item.WorkspaceID, err = queue.New(pool).Workspace(ctx, f.workspace)
		} else {
			item.WorkspaceID, err = a.workspaceOf(ctx, "--workspace", f.workspace)
		}
		if err != nil {
			return err
		}
		result, err := enqueueAll(ctx, pool, item, f.count)
		if err != nil {
			return err
		}
		return a.result(result, func(w io.Writer) {
			if result.Count > 0 {
				_, _ = fmt.Fprintf(w, "%d items queued, the first is %s\n", result.Count, result.QueueID)
				return
			}
			_, _ = fmt.Fprintf(w, "%s %s\n%s\n", result.Status, result.QueueID, result.Message)
			if result.WorkflowID != "" {
				_, _ = fmt.Fprintf(w, "workflow %s\n", oneLine(result.WorkflowID, mostOfField))
			}
		})
	})
}

// item checks the flags and makes an item of them, still without its workspace, its relative times, and its input or its workflow.
func (f *enqueueFlags) item(command *cobra.Command) (queue.Item, error) {
	item := queue.Item{Priority: f.priority, UniqueKey: f.uniqueKey}
	var err error
	changed := command.Flags().Changed
	if changed("definition") {
		if item.DefinitionID, err = definitionID("--definition", f.definition); err != nil {
			return item, err
		}
	}
	switch {
	case f.priority < 1 || f.priority > 5:
		return item, usage("--priority must be 1 (first) to 5 (last), not %d", f.priority)
	case f.count < 1 || f.count > maxCount:
		return item, usage("--count must be 1 to %d, not %d", maxCount, f.count)
	case changed("unique-key") && f.uniqueKey == "":
		return item, usage("--unique-key must not be empty")
	case changed("unique-key") && f.count > 1:
		return item, usage("--unique-key and --count exclude each other: a key stands for one item")
	case f.uniqueFor.duration != nil && f.uniqueKey == "":
		return item, usage("--unique-for needs a --unique-key")
	case deref(f.uniqueFor.duration) < 0:
		return item, usage("--unique-for must not be negative, got %s", *f.uniqueFor.duration)
	case f.delay < 0:
		return item, usage("--delay must not be negative, got %s", f.delay)
	case changed("expires-in") && f.expiresIn <= 0:
		return item, usage("--expires-in must be positive, got %s", f.expiresIn)
	}
	if keep := f.uniqueFor.duration; keep != nil {
		item.UniqueFor = *keep
		if *keep == 0 {
			item.UniqueFor = queue.UntilEnded
		}
	}
	if changed("available-at") {
		if item.AvailableAt, err = parseTime("--available-at", f.availableAt); err != nil {
			return item, err
		}
	}
	if changed("expires-at") {
		item.ExpiresAt, err = parseTime("--expires-at", f.expiresAt)
	}
	return item, err
}

// setTimes counts relative times from the database's present: items become due and expire by its clock, and this machine's may differ.
func (f *enqueueFlags) setTimes(ctx context.Context, pool *pgxpool.Pool, item *queue.Item) error {
	if f.delay == 0 && f.expiresIn == 0 {
		return nil
	}
	now, err := facts.Now(ctx, pool)
	if err != nil {
		return err
	}
	if f.delay > 0 {
		item.AvailableAt = now.Add(f.delay)
	}
	if f.expiresIn > 0 {
		item.ExpiresAt = now.Add(f.expiresIn)
	}
	return nil
}

func parseTime(flag, value string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil || t.IsZero() {
		return t, usage("%s %q is not an RFC 3339 time such as 2026-05-01T12:00:00Z", flag, value)
	}
	return t, nil
}

// readJSON takes JSON as it is, @FILE from the file and - from stdin.
func (a *app) readJSON(flag, value, such string) (json.RawMessage, error) {
	raw := []byte(value)
	if path, isFile := strings.CutPrefix(value, "@"); isFile || value == "-" {
		var err error
		if raw, err = a.readFile(path, maxInputFile); err != nil {
			return nil, err
		}
	}
	if !json.Valid(raw) {
		return nil, usage("%s is not valid JSON: give %s, @FILE, or - for stdin", flag, such)
	}
	return raw, nil
}

// partly is an error after some of the items were enqueued.
type partly struct {
	err      error
	ids      []uuid.UUID // what is enqueued
	doubtful []uuid.UUID // what may be: the database did not say
	count    int
}

func (p *partly) Unwrap() error { return p.err }

func (p *partly) Error() string {
	if len(p.doubtful) == 0 {
		return fmt.Sprintf("%d of %d items are enqueued, the others are not: %v", len(p.ids), p.count, p.err)
	}
	return fmt.Sprintf("at least %d of %d items are enqueued, and %d more may be: starter describe tells of each: %v", len(p.ids), p.count, len(p.doubtful), p.err)
}

// details are what goes with the error into JSON.
func (p *partly) details() map[string]any {
	return map[string]any{"count": len(p.ids), "queueIds": append([]uuid.UUID{}, p.ids...), "doubtfulIds": append([]uuid.UUID{}, p.doubtful...)}
}

// enqueueAll enqueues the item count times, in transactions of a bounded size. Of each it is known whether it has committed, also
// when the answer is lost: who repeats the rest enqueues nothing twice.
func enqueueAll(ctx context.Context, pool *pgxpool.Pool, item queue.Item, count int) (enqueued, error) {
	q := queue.New(pool)
	if count == 1 {
		answer, err := q.Enqueue(ctx, item)
		if err != nil && item.UniqueKey == "" && !store.ChangedNothing(err) {
			err = fmt.Errorf("the item may be enqueued: see whether starter list has it before you try again; with a --unique-key that would be safe: %w", err)
		}
		return enqueued{Answer: answer}, err
	}
	result := enqueued{Count: count, QueueIDs: make([]uuid.UUID, 0, count)}
	for len(result.QueueIDs) < count {
		var answers []queue.Answer
		err := store.InTransaction(ctx, pool, func(tx pgx.Tx) (err error) {
			answers, err = q.EnqueueManyTx(ctx, tx, slices.Repeat([]queue.Item{item}, min(enqueueChunk, count-len(result.QueueIDs))))
			return err
		})
		ids := make([]uuid.UUID, len(answers))
		for i, answer := range answers {
			ids[i] = answer.QueueID
		}
		switch {
		case errors.Is(err, store.ErrDoubtful):
			return result, &partly{err: err, ids: result.QueueIDs, doubtful: ids, count: count}
		case err != nil && len(result.QueueIDs) > 0:
			return result, &partly{err: err, ids: result.QueueIDs, count: count}
		case err != nil:
			return result, err
		}
		if len(result.QueueIDs) == 0 {
			result.Answer = answers[0]
		}
		result.QueueIDs = append(result.QueueIDs, ids...)
	}
	return result, nil
}

// releaseKeyCommand lets a key go whose item has ended otherwise than it should.
func (a *app) releaseKeyCommand() *cobra.Command {
	var workspace string
	command := &cobra.Command{
		Use: "release-key KEY", Short: "Let a unique key go whose item has ended", Args: exactly("KEY"),
		Long: "Let a unique key of a workspace go whose item has ended, as CANCELLED for example, so that the next enqueue\n" +
			"under it makes a new item. While its item waits or runs the key stays, and the exit code is 2.",
		Example: "  starter release-key order-7 --workspace 0199…",
	}
	command.Flags().StringVar(&workspace, "workspace", "", workspaceUsage)
	_ = command.MarkFlagRequired("workspace") // fails only for a flag that does not exist
	return a.does(command, func(ctx context.Context, args []string) error {
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		id, err := a.workspaceOf(ctx, "--workspace", workspace)
		if err != nil {
			return err
		}
		answer, err := queue.New(pool).ReleaseKey(ctx, id, args[0], a.config.Actor)
		if err != nil {
			return err
		}
		value := released{Status: answer.Status, Message: answer.Message}
		if answer.QueueID != uuid.Nil {
			value.QueueID = &answer.QueueID
		}
		return a.result(value, func(w io.Writer) {
			if value.QueueID != nil {
				_, _ = fmt.Fprintf(w, "It was that of item %s, which is %s.\n", value.QueueID, orElse(answer.Status, "no longer retained"))
			}
			_, _ = fmt.Fprintln(w, answer.Message)
		})
	})
}

// released is what release-key prints.
type released struct {
	QueueID *uuid.UUID `json:"queueId"` // of the item that held the key; null: none did
	Status  string     `json:"status"`
	Message string     `json:"message"`
}
