package recovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/internal/store"
	"sluice/workflows"
)

// A pass begins to end so many overdue executions at most, within this time. It ends only when the last one of them is over: a bulk
// cancellation at a Temporal that is slow must not put off the next pass, which learns the ends of all workspaces.
const (
	overdueMost = 100
	overdueTime = time.Second
)

// someOverdue are those that a pass ends, at random: those that stay open must not hold up the others.
func someOverdue(ids []uuid.UUID) []uuid.UUID {
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(len(ids), overdueMost)]
}

// endOverdue terminates executions that were asked to cancel and have not ended in time, and compares them.
func (r *Recovery) endOverdue(ctx context.Context, ids []uuid.UUID, seen *comparison) error {
	known, err := store.WorkflowsOf(ctx, r.db, ids)
	if err != nil {
		return err
	}
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(compareParallel)
	for _, k := range known {
		if time.Since(began) > overdueTime {
			break // the next pass goes on
		}
		if seen.begin(k.ItemID) {
			group.Go(func() error { return errors.Join(r.terminateOverdue(ctx, k), r.compare(ctx, k, seen)) })
		}
	}
	return group.Wait()
}

// terminateOverdue terminates one unless a reset has taken back that it was asked to cancel. A workflow of a caller's own may take as long as it
// needs to clean up, while a worker carries it on.
func (r *Recovery) terminateOverdue(ctx context.Context, k store.Known) error {
	found, err := r.standing(ctx, k, Hint{})
	if err != nil {
		return err
	}
	abandoned := !k.Own || found.stalled.For >= workflows.CancelDeadline && !found.stalled.child
	if !found.open || found.unasked || !abandoned {
		return nil
	}
	reason := fmt.Sprintf("it was asked to cancel, and had not ended %s later", workflows.CancelDeadline)
	if k.Own {
		reason += ": " + found.stalled.What
	}
	if err := r.terminate(ctx, k.WorkflowID, found.runID, reason); err != nil {
		return err
	}
	r.noteRepair(ctx, k.ItemID, "cancel-overdue", workflows.StatusTerminated)
	return nil
}
