package recovery

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	workflowpb "go.temporal.io/api/workflow/v1"
	"golang.org/x/sync/errgroup"

	"sluice/internal/store"
)

// staleBatch limits the calls to Temporal of one look at stale claims.
const staleBatch = 2000

// ReleaseStale mends claims that no dispatcher has taken up: if the workflow exists after all the claim is settled, or
// dropped where the item has ended; otherwise the item is pending again.
func (r *Recovery) ReleaseStale(ctx context.Context) (report Report, err error) {
	stale, err := store.StaleClaims(ctx, r.db, r.staleAfter, staleBatch)
	if err != nil || len(stale) == 0 {
		return report, err
	}
	missing, exist, lookErr := r.started(ctx, stale)
	if err := store.Settle(ctx, r.db, exist); err != nil {
		return report, err
	}
	report.Settled = int64(len(exist))
	began := time.Now()
	released, err := store.Release(ctx, r.db, missing, r.staleAfter)
	if err != nil {
		return report, err
	}
	report.Released = int64(len(released))
	if len(released) > 0 {
		r.freed(released, began, time.Time{})
	}
	r.log.Warn("mended stale claims", "released", report.Released, "settled", report.Settled)
	return report, lookErr
}

// started tells the claims whose workflow exists from those whose does not. It goes on when one cannot be looked up, and
// returns the first error.
func (r *Recovery) started(ctx context.Context, claims []uuid.UUID) (missing []uuid.UUID, exist []store.Started, err error) {
	known, err := store.WorkflowsOf(ctx, r.db, claims)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(compareParallel)
	for _, id := range claims {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			k, ok := known[id]
			if !ok {
				return nil // it is gone
			}
			found, err := r.describe(ctx, k.WorkflowID, "")
			info, ours := found.GetWorkflowExecutionInfo(), false
			if err == nil {
				ours, err = IsOf(ctx, r.client, info, k)
			}
			if err == nil && !ours && k.Own { // its id may have been used again since
				info, err = r.earlier(ctx, k)
				ours = info != nil
			}
			run := info.GetExecution().GetRunId()
			if first := info.GetFirstRunId(); k.Own && first != "" {
				run = first
			}
			twice := false
			if err == nil && ours { // it may have been pending a second time
				twice, err = store.DropClaim(ctx, r.db, store.Run{ExecutionID: id, RunID: run}, info.GetCloseTime() != nil)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case isNotFound(err), err == nil && !ours:
				missing = append(missing, id)
			case err != nil:
				return err
			case !twice:
				exist = append(exist, store.Started{ExecutionID: id, RunID: run})
			}
			return nil
		})
	}
	return missing, exist, group.Wait()
}

func (r *Recovery) earlier(ctx context.Context, k store.Known) (*workflowpb.WorkflowExecutionInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	return EarlierRun(ctx, r.client, k.ItemID, k.WorkflowID)
}
