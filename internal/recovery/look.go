package recovery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

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
	Closed     *historypb.HistoryEvent // how, as its worker has it; nil: it is not said
}

// closes tells whether the hint says how this run has closed, with what Temporal says of it.
func (h Hint) closes(runID, status string) bool {
	switch {
	case h.Closed == nil || h.RunID != runID:
		return false
	case h.Closed.GetWorkflowExecutionCompletedEventAttributes() != nil:
		return status == workflows.StatusCompleted
	case h.Closed.GetWorkflowExecutionFailedEventAttributes() != nil:
		return status == workflows.StatusFailed
	case h.Closed.GetWorkflowExecutionCanceledEventAttributes() != nil:
		return status == workflows.StatusCancelled
	}
	return false
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
		Size:  func(h Hint) int { return proto.Size(h.Closed) },
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
	seen := newComparison()
	seen.hints = map[uuid.UUID]Hint{}
	items, err := r.inDoubt(ctx, hints, seen)
	if err != nil || len(items) == 0 {
		return err
	}
	compareErr := r.compareKnown(ctx, items, seen)
	_, reopenErr := r.reopenUnheld(ctx, seen.open)
	if err := r.noteChecked(ctx, seen); err != nil {
		return err
	}
	return errors.Join(compareErr, reopenErr)
}

// inDoubt returns the items of hints whose end may be news, and notes their hints.
func (r *Recovery) inDoubt(ctx context.Context, hints []Hint, seen *comparison) (items []store.Known, err error) {
	var runs []store.Run
	var ids []uuid.UUID
	named := map[string]Hint{}
	for _, h := range hints {
		if h.Item != uuid.Nil {
			runs = append(runs, store.Run{ExecutionID: h.Item, RunID: h.RunID})
			seen.hints[h.Item] = h
			continue
		}
		named[h.WorkflowID] = h
		if id, derived := workflows.ParseExecutionID(h.WorkflowID); derived {
			ids = append(ids, id)
		}
	}
	unrecorded, err := store.Unrecorded(ctx, r.db, runs)
	if err != nil {
		return nil, err
	}
	known, err := store.WorkflowsOf(ctx, r.db, unrecorded)
	if err != nil {
		return nil, err
	}
	held, err := store.HeldBy(ctx, r.db, ids, slices.Collect(maps.Keys(named)))
	for _, k := range held {
		seen.hints[k.ItemID] = named[k.WorkflowID]
	}
	return slices.AppendSeq(held, maps.Values(known)), err
}
