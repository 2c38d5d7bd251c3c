package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/internal/store/controls"
)

// bulkBatch is how many items one statement changes: it takes some tens of milliseconds.
const bulkBatch = 500

// Progress is told how many items have been changed so far. It may be nil.
type Progress func(done int64)

// CancelSelected ends the PENDING items of a selection as CANCELLED, and returns how many. Those that run are for Temporal to end: see
// Running.
//
// As the others of its kind it works in batches, each a statement of its own, that leave out what a claim holds and hold up none.
// Broken off, it returns how many were changed for sure; do the same again to go on.
func (c *Client) CancelSelected(ctx context.Context, s Selection, actor, reason string, progress Progress) (int64, error) {
	if !s.has("PENDING") {
		return 0, nil
	}
	return c.inBatches(ctx, s, Cancel, actor, reason, progress, func(after uuid.UUID, most int) (controls.Batch, error) {
		return controls.Cancel(ctx, c.pool, s.items, after, most, actor, reason)
	})
}

// Waiting counts the items of a selection to cancel that are still PENDING: a claim may hold them, which CancelSelected leaves out.
func (c *Client) Waiting(ctx context.Context, s Selection) (int64, error) {
	if !s.has("PENDING") {
		return 0, nil
	}
	return controls.CountPending(ctx, c.pool, s.items)
}

// RetrySelected puts the FAILED items of a selection back to PENDING, as Retry does, oldest first, and returns how many. What fails again
// meanwhile is left as it is.
func (c *Client) RetrySelected(ctx context.Context, s Selection, actor, reason string, progress Progress) (int64, error) {
	failed := s.failed(reason)
	return c.inBatches(ctx, s, Retry, actor, reason, progress, func(_ uuid.UUID, most int) (b controls.Batch, err error) {
		err = c.change(ctx, "retry items", actor, func(tx pgx.Tx) error {
			n, err := catalog.Retry(ctx, tx, failed, most, actor)
			if b = (controls.Batch{N: int(n)}); n > 0 {
				b.Looked = most // or fewer, but there may be more: of two that had the same unique key one at most is put back
			}
			return err
		})
		return b, err
	})
}

// CountExpiredOf counts the FAILED items that a selection to retry means and leaves alone, because their expiry has passed.
func (c *Client) CountExpiredOf(ctx context.Context, s Selection) (int64, error) {
	return catalog.CountExpired(ctx, c.pool, s.failed(""))
}

// failed is what a selection means of what FAILED before it started.
func (s Selection) failed(why string) catalog.Failed {
	return catalog.Failed{IDs: s.items.IDs, WorkspaceID: s.items.WorkspaceID, Reason: s.items.Reason, WorkflowType: s.items.WorkflowType,
		DefinitionID: s.items.DefinitionID, Error: s.items.Error, CreatedBefore: s.items.Before, EndedBefore: s.items.At, Why: why}
}

// ReplaySelected enqueues the executions of a selection anew: for each a new item with the same request, priority and workspace, which
// names the first one as its ReplayOf, and returns how many. Each is replayed once: a replay that fails can be replayed. A new item
// has neither the unique key nor the expiry of the first, and runs the current version of its definition. Where the first was a client's
// start, it holds the workflow id as that did, and an execution is left alone while another item with its id waits or runs.
func (c *Client) ReplaySelected(ctx context.Context, s Selection, actor, reason string, progress Progress) (done int64, err error) {
	for _, status := range s.statuses {
		n, err := c.inBatches(ctx, s, Replay, actor, reason, func(n int64) { tell(progress, done+n) }, func(after uuid.UUID, most int) (controls.Batch, error) {
			return controls.Replay(ctx, c.pool, s.items, status, after, most, actor, reason)
		})
		if done += n; err != nil || s.limit > 0 && n >= s.limit {
			return done, err
		}
		s.limit -= min(s.limit, n)
	}
	return done, nil
}

// Place is where an item stands among those of its workspace. What is nil stays as it is.
type Place struct {
	Priority *int           // 1 (first) to 5
	In       *time.Duration // available so long from the moment of the selection, by the clock of the database; 0: at once
	At       *time.Time     // available at a time
}

// ReprioritizeSelected gives the PENDING items of a selection another priority or time, and returns how many it has changed. An item that
// would expire before that time is left as it is.
func (c *Client) ReprioritizeSelected(ctx context.Context, s Selection, p Place, actor, reason string, progress Progress) (int64, error) {
	if err := p.check(); err != nil {
		return 0, fmt.Errorf("reprioritize items: %w", err)
	}
	place := controls.Place{Priority: p.Priority, At: p.At}
	if p.In != nil { // one time for all items: a repeat with the same moment changes none that has it
		place.At = new(s.Moment.Add(*p.In))
	}
	return c.inBatches(ctx, s, Reprioritize, actor, reason, progress, func(after uuid.UUID, most int) (controls.Batch, error) {
		return controls.Reprioritize(ctx, c.pool, s.items, place, after, most, actor, reason)
	})
}

func (p Place) check() error {
	switch {
	case p == (Place{}):
		return store.Invalid("nothing to change: give a priority or a time")
	case p.Priority != nil && (*p.Priority < 1 || *p.Priority > 5):
		return store.Invalid("priority must be 1 (first) to 5 (last), not %d", *p.Priority)
	case p.In != nil && p.At != nil:
		return store.Invalid("it is available in so long or at a time, not both")
	case p.In != nil && (*p.In < 0 || *p.In > maxTerm), p.At != nil && time.Until(*p.At) > maxTerm:
		return store.Invalid("an item must be available at most ten years ahead")
	}
	return nil
}

// inBatches does an action to one batch after the other, until one finds no more.
func (c *Client) inBatches(ctx context.Context, s Selection, action Action, actor, reason string, progress Progress, do func(after uuid.UUID, most int) (controls.Batch, error)) (done int64, err error) {
	doing := string(action) + " items"
	if err := checkBulk(s, action, actor, reason); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	for after := uuid.Nil; ; {
		if err := ctx.Err(); err != nil {
			return done, fmt.Errorf("%s: broken off: %w", doing, err)
		}
		most := bulkBatch
		if s.limit > 0 {
			most = int(min(int64(most), s.limit-done))
		}
		b, err := do(after, most)
		if err != nil {
			return done, err
		}
		if done += int64(b.N); b.N > 0 {
			tell(progress, done)
		}
		if b.Looked < most || s.limit > 0 && done >= s.limit {
			return done, nil
		}
		after = b.Last
	}
}

func tell(progress Progress, done int64) {
	if progress != nil {
		progress(done)
	}
}

func checkBulk(s Selection, action Action, actor, reason string) error {
	switch {
	case s.Action != action:
		return store.Invalid("the items were selected to %s, not to %s", s.Action, action)
	case strings.TrimSpace(actor) == "":
		return store.Invalid("actor is missing: say who does it")
	}
	if err := named("actor", bounds.Words(actor)); err != nil {
		return err
	}
	return named("reason", bounds.Reason(reason, bounds.MaxReason))
}

// RunningItem is an item that holds a slot, and how Temporal knows its workflow.
type RunningItem struct {
	ItemID      uuid.UUID
	WorkspaceID uuid.UUID
	WorkflowID  string
	RunID       string // empty: its start is not known to have happened
	Own         bool   // it is a workflow, and not a definition
}

// Running lists those items of a selection to cancel or to terminate that hold a slot, by their ids, after one of them: at most so many.
// What runs is ended by its workflow: ask Temporal, and Recovery or the workflow itself record how that ended. A selection of what is
// RUNNING has what ran at its moment, and not what starts in the slots that it makes free.
func (c *Client) Running(ctx context.Context, s Selection, after uuid.UUID, most int) ([]RunningItem, error) {
	var dispatched *bool
	switch claimed, running := s.has("CLAIMED"), s.has("RUNNING"); {
	case !claimed && !running:
		return nil, nil
	case claimed != running:
		dispatched = &running
	}
	return controls.Running[RunningItem](ctx, c.pool, s.items, after, most, dispatched)
}

// Requested records that the workflows of running items are about to be asked to cancel, or to be terminated, by whom and why.
func (c *Client) Requested(ctx context.Context, action Action, ids []uuid.UUID, actor, reason string) error {
	if err := checkBulk(Selection{Action: action}, action, actor, reason); err != nil {
		return fmt.Errorf("log requests: %w", err)
	}
	return controls.LogRequests(ctx, c.pool, ids, actor, string(action)+"-requested", reason)
}

// Asked notes that the workflows of running items have been asked to cancel: Recovery terminates those of definitions that have not ended a
// while later, and others that no worker carries on.
func (c *Client) Asked(ctx context.Context, ids []uuid.UUID) error {
	return controls.Asked(ctx, c.pool, ids)
}
