package recovery

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice/internal/gather"
	"sluice/internal/store"
	"sluice/workflows"
)

// How the end of a workflow was learnt.
const (
	ByWorker   = "worker"   // which has closed it
	ByCallback = "callback" // from the server
	ByPass     = "recovery"
)

// Hint says that a run of an item's workflow may have closed. It is no more than that: what counts is what the workflow answers.
type Hint struct {
	Item       uuid.UUID // nil: it is known by what its workflow is called
	WorkflowID string
	RunID      string // that may have closed; empty: it is not said
	By         string
}

const (
	// looksAtOnce is how many looks are under way while no hints gather. Those that come meanwhile share the next one.
	looksAtOnce = 4
	// lookTimeout ends a look that hangs on a server; the next pass finds what it would have found.
	lookTimeout = 5 * time.Second
)

// Look judges the item of a hint at once, as a pass does. It does not ask about an item whose end by this run is on record, about
// a workflow that is no item's, or about one of which only the name is said and that holds no slot. That a workflow is missing is for a
// pass to say: it may be about to be started.
func (r *Recovery) Look(ctx context.Context, h Hint) error {
	_, err := r.looks.Do(ctx, h)
	return err
}

func (r *Recovery) newLooks() *gather.Gatherer[Hint, struct{}] {
	return &gather.Gatherer[Hint, struct{}]{
		Doing: "look at an item", Room: looksAtOnce, Patience: lookTimeout,
		Size:  func(h Hint) int { return len(h.WorkflowID) + len(h.RunID) },
		Alone: func(ctx context.Context, h Hint) (none struct{}, err error) { return none, r.lookAt(ctx, h) },
		Together: func(ctx context.Context, calls []*gather.Call[Hint, struct{}]) {
			hints := make([]Hint, len(calls))
			for i, call := range calls {
				hints[i] = call.Request
			}
			err := r.lookAt(ctx, hints...)
			for _, call := range calls {
				call.Reply(struct{}{}, err)
			}
		},
	}
}

func (r *Recovery) lookAt(ctx context.Context, hints ...Hint) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	items, by, err := r.inDoubt(ctx, hints)
	if err != nil || len(items) == 0 {
		return err
	}
	seen := newComparison()
	seen.hinted = by
	compareErr := r.compareAll(ctx, items, seen)
	if _, err := r.reopenUnheld(ctx, seen.open); err != nil {
		return err
	}
	if err := r.noteChecked(ctx, seen); err != nil {
		return err
	}
	return compareErr
}

// inDoubt returns the items of hints whose end may be news, and who says so.
func (r *Recovery) inDoubt(ctx context.Context, hints []Hint) (items []uuid.UUID, by map[uuid.UUID]string, err error) {
	var runs []store.Run
	var names []string
	var ids []uuid.UUID
	by = map[uuid.UUID]string{}
	said := ""
	for _, h := range hints {
		id, derived := workflows.ParseExecutionID(h.WorkflowID)
		switch {
		case h.Item != uuid.Nil:
			runs = append(runs, store.Run{ExecutionID: h.Item, RunID: h.RunID})
			by[h.Item] = h.By
			continue
		case derived:
			ids = append(ids, id)
		default:
			names = append(names, h.WorkflowID)
		}
		said = h.By
	}
	unrecorded, err := store.Unrecorded(ctx, r.db, runs)
	if err != nil {
		return nil, nil, err
	}
	held, err := store.HeldBy(ctx, r.db, ids, names)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range held {
		by[id] = said
	}
	return append(unrecorded, held...), by, nil
}
