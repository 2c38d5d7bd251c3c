package recovery

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/internal/metric"
	"sluice/internal/store"
	"sluice/workflows"
)

// end records how a closed or missing workflow ended, and tells whether that was news. Each statement guards the state
// it starts from, so what is known better in the meantime wins.
func (r *Recovery) end(ctx context.Context, k store.Known, o workflows.Outcome, by string) (recorded bool, err error) {
	outcome, err := OutcomeOf(o)
	if err != nil {
		return false, err
	}
	recorded, err = r.recorder.Record(ctx, outcome)
	switch {
	case errors.Is(err, store.ErrUnknownItem):
		return false, nil // of another database
	case err != nil:
		return false, err
	case recorded && learnt(k, o.RunID):
		metric.Ended.Add(r.metrics(ctx), 1, o.Status, by)
		return true, nil
	case recorded:
		return true, r.logRepair(ctx, o.ExecutionID, "no-outcome", o.Status)
	case o.RunID == "":
		return false, nil // past its retention: what was recorded stays
	}
	superseded, err := store.Supersede(ctx, r.db, outcome)
	if superseded {
		r.noteRepair(ctx, o.ExecutionID, "superseded", o.Status)
	}
	return superseded, err
}

// learnt tells whether an end that was recorded is no repair: a workflow of a caller's own does not record its end itself.
func learnt(k store.Known, runID string) bool { return k.Own && runID != "" }

// reopenUnheld gives open workflows that hold no slot their slot back, and counts them. One for which that fails holds up no other.
func (r *Recovery) reopenUnheld(ctx context.Context, open []openRun) (int64, error) {
	runs := make([]store.Run, len(open))
	for i := range open {
		runs[i] = store.Run{ExecutionID: open[i].ItemID, RunID: open[i].runID}
	}
	unheld, err := store.Unheld(ctx, r.db, runs)
	if err != nil || len(unheld) == 0 {
		return 0, err
	}
	var reopened atomic.Int64
	var group errgroup.Group
	group.SetLimit(compareParallel)
	for _, run := range open {
		if !slices.Contains(unheld, run.ItemID) {
			continue
		}
		group.Go(func() error {
			again, err := r.reopen(ctx, run)
			if again {
				reopened.Add(1)
			}
			return err
		})
	}
	err = group.Wait()
	return reopened.Load(), err
}

// reopen gives an open workflow its slot back, and tells whether it did. It asks again whether it is open: what was found open may have
// closed, and its end have been recorded, before Postgres was asked. One whose item has ended without an execution is terminated: there is no
// slot for it, and perhaps no worker that could cancel it.
func (r *Recovery) reopen(ctx context.Context, run openRun) (bool, error) {
	found, err := r.standing(ctx, run.Known, Hint{})
	if err != nil || !found.open {
		return false, err // the next pass finds what has become of it, if that is not on record
	}
	run.runID = found.runID
	reopened, err := store.Reopen(ctx, r.db, store.Run{ExecutionID: run.ItemID, RunID: run.runID})
	switch {
	case err != nil:
		return false, err
	case reopened:
		r.noteRepair(ctx, run.ItemID, "reopened", "RUNNING")
		return true, nil
	}
	return false, r.endRefused(ctx, run)
}

func (r *Recovery) endRefused(ctx context.Context, run openRun) error {
	refused, err := store.Refused(ctx, r.db, run.ItemID)
	if err != nil || !refused {
		return err
	}
	if err := r.terminate(ctx, run.WorkflowID, run.runID, "its queue item has ended without an execution"); err != nil {
		return err
	}
	return r.logRepair(ctx, run.ItemID, "refused-but-open", workflows.StatusTerminated)
}

// logRepair leaves a trace of a repair that its statement does not leave itself.
func (r *Recovery) logRepair(ctx context.Context, id uuid.UUID, reason, status string) error {
	r.noteRepair(ctx, id, reason, status)
	return store.LogRecovered(ctx, r.db, id, reason)
}

func (r *Recovery) noteRepair(ctx context.Context, id uuid.UUID, reason, status string) {
	r.log.Warn("repaired an execution", "execution", id, "reason", reason, "status", status)
	metric.Repaired.Add(r.metrics(ctx), 1, reason)
}
