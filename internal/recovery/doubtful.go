package recovery

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

const (
	// firstLook is how far a pass looks back that does not know until when the last one has looked: the very first, or one after a clock
	// that was ahead. What closed before has its turn all the same.
	firstLook = 5 * time.Minute
	// turnAge leaves an execution that has just been dispatched or checked in peace.
	turnAge = 5 * time.Second
	// turnBatch is how many slots have their turn in a pass. missingBatch is how many have when Temporal lists fewer open
	// executions than there are slots, because some of them have been deleted or closed unseen, or lists nothing at all. Passes
	// begin 2 s apart, so that each of up to 3,000 slots is compared every 6 s then, which is the first pass after turnAge.
	turnBatch    = 200
	missingBatch = 1000
)

// doubtful returns the executions whose workflow was closed or started since a moment, and does not agree with Postgres.
// Lists are late, so these are only doubts.
func (r *Recovery) doubtful(ctx context.Context, since, began time.Time, known *Known, lists *readings) ([]uuid.UUID, error) {
	closed, open, err := r.look(ctx, since, began, known.closed, lists)
	var inTurn []store.Run
	if err == nil && !lists.rest() {
		inTurn, err = r.openInTurn(ctx, lists)
	}
	if err != nil {
		known.closed = nil // what of it is still there was not counted
		if known.blind > 0 {
			r.setRead(readings{}) // it may be the place to go on from that Temporal does not take
		}
		return nil, err
	}
	known.closed = closed
	unrecorded, err := store.Unrecorded(ctx, r.db, closed.runs())
	if err != nil {
		return nil, err
	}
	unheld, err := store.Unheld(ctx, r.db, append(open, inTurn...))
	return append(unrecorded, unheld...), err
}

// nextInTurn returns the slots that were compared longest ago, of so many that are due: what no list shows, such as a
// deleted workflow, is found that way.
func (r *Recovery) nextInTurn(ctx context.Context, due int64, blind bool) ([]uuid.UUID, error) {
	if due == 0 {
		return nil, nil
	}
	most := turnBatch
	if due > turnBatch {
		// A count that fails says nothing of its own: the list beside it fails too, or shows what has changed.
		if open, err := r.openNow(ctx, blind); err != nil || due > open {
			most = missingBatch
		}
	}
	return store.SlotsToCheck(ctx, r.db, turnAge, most)
}

// openNow is how many executions Temporal shows as open. It does not ask when the lists did not answer last time: that
// would use up much of the pass.
func (r *Recovery) openNow(ctx context.Context, blind bool) (int64, error) {
	if blind {
		return 0, ErrLists
	}
	return r.count(ctx, "ExecutionStatus = 'Running'")
}
