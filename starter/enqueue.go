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
		Use: "enqueue", Short: "Put an execution into the queue", Args: exactly(),
		Long: "Put an execution of a definition into the queue of its workspace. It starts when the workspace has a free\n" +
			"slot. Only Postgres is needed.\n\n" +
			"With --unique-key nothing is enqueued while an earlier item of the workspace holds the key: the answer is that\n" +
			"item, and its status tells what has become of it (QUEUED, CLAIMED, RUNNING, COMPLETED, FAILED, ...). An item\n" +
			"holds its key while it waits or runs, and then as long as it is retained. With --unique-for 7d it holds it for a\n" +
			"week after its end, with --unique-for 0 only while it waits or runs.",
		Example: "  starter enqueue --workspace 0199… --definition 0199… --input '{\"order\": 7}'\n" +
			"  starter enqueue --workspace 0199… --definition 0199… --input @order.json --delay 10m --unique-key order-7\n" +
			"  starter enqueue --workspace 0199… --definition 0199… --unique-key nightly-report --unique-for 0",
	}
	flags := command.Flags()
	flags.StringVar(&f.workspace, "workspace", "", "the workspace's `id`")
	flags.StringVar(&f.definition, "definition", "", "the definition's `id`; it must belong to the workspace")
	flags.StringVar(&f.input, "input", "{}", "a `JSON` object, @FILE, or - for stdin")
	flags.IntVar(&f.priority, "priority", queue.DefaultPriority, "1 (first) to 5 (last) among the workspace's items")
	flags.StringVar(&f.availableAt, "available-at", "", "earliest start, an RFC 3339 `time`")
	flags.DurationVar(&f.delay, "delay", 0, "earliest start, from now")
	flags.StringVar(&f.expiresAt, "expires-at", "", "give up if not started by this RFC 3339 `time`")
	flags.DurationVar(&f.expiresIn, "expires-in", 0, "give up if not started this long from now")
	flags.StringVar(&f.uniqueKey, "unique-key", "", "a repeated enqueue under the same `key` answers with the first item")
	flags.Var(&f.uniqueFor, "unique-for", "how long after its end an item goes on holding its key, like 7d (default: as long as it is retained)")
	flags.IntVar(&f.count, "count", 1, "enqueue it so many times")
	for _, required := range []string{"workspace", "definition"} {
		_ = command.MarkFlagRequired(required) // fails only for a flag that does not exist
	}
	command.MarkFlagsMutuallyExclusive("available-at", "delay")
	command.MarkFlagsMutuallyExclusive("expires-at", "expires-in")
	return a.does(command, func(ctx context.Context, _ []string) error {
		item, err := f.item(command, a.now())
		if err != nil {
			return err
		}
		if item.Input, err = a.readInput(f.input); err != nil {
			return err
		}
		item.EnqueuedBy = a.config.Actor
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		result, err := enqueueAll(ctx, queue.New(pool), item, f.count)
		if err != nil {
			return err
		}
		return a.result(result, func(w io.Writer) {
			if result.Count > 0 {
				_, _ = fmt.Fprintf(w, "%d items queued, the first is %s\n", result.Count, result.QueueID)
				return
			}
			_, _ = fmt.Fprintf(w, "%s %s\n%s\n", result.Status, result.QueueID, result.Message)
		})
	})
}

// item checks the flags and makes an item of them, still without its input.
func (f *enqueueFlags) item(command *cobra.Command, now time.Time) (queue.Item, error) {
	item := queue.Item{Priority: f.priority, UniqueKey: f.uniqueKey}
	var err error
	if item.WorkspaceID, err = workspaceID("--workspace", f.workspace); err != nil {
		return item, err
	}
	if item.DefinitionID, err = definitionID("--definition", f.definition); err != nil {
		return item, err
	}
	changed := command.Flags().Changed
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
	if f.delay > 0 {
		item.AvailableAt = now.Add(f.delay)
	}
	if f.expiresIn > 0 {
		item.ExpiresAt = now.Add(f.expiresIn)
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

func parseTime(flag, value string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil || t.IsZero() {
		return t, usage("%s %q is not an RFC 3339 time such as 2026-05-01T12:00:00Z", flag, value)
	}
	return t, nil
}

// readInput takes JSON as it is, @FILE from the file and - from stdin.
func (a *app) readInput(value string) (json.RawMessage, error) {
	raw := []byte(value)
	if path, isFile := strings.CutPrefix(value, "@"); isFile || value == "-" {
		var err error
		if raw, err = a.readFile(path, maxInputFile); err != nil {
			return nil, err
		}
	}
	if !json.Valid(raw) {
		return nil, usage(`--input is not valid JSON: give an object such as '{"key": "value"}', @FILE, or - for stdin`)
	}
	return raw, nil
}

// enqueueAll enqueues the item count times, in transactions of a bounded size.
func enqueueAll(ctx context.Context, q *queue.Client, item queue.Item, count int) (enqueued, error) {
	if count == 1 {
		answer, err := q.Enqueue(ctx, item)
		return enqueued{Answer: answer}, err
	}
	result := enqueued{Count: count, QueueIDs: make([]uuid.UUID, 0, count)}
	items := make([]queue.Item, min(count, enqueueChunk))
	for i := range items {
		items[i] = item
	}
	for len(result.QueueIDs) < count {
		answers, err := q.EnqueueMany(ctx, items[:min(len(items), count-len(result.QueueIDs))])
		if err != nil {
			if done := len(result.QueueIDs); done > 0 {
				err = fmt.Errorf("%d of %d items are enqueued, the others are not: %w", done, count, err)
			}
			return result, err
		}
		for _, answer := range answers {
			result.QueueIDs = append(result.QueueIDs, answer.QueueID)
		}
		if len(result.QueueIDs) == len(answers) {
			result.Answer = answers[0]
		}
	}
	return result, nil
}
