package recovery

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/internal/store"
	"sluice/workflows"
)

// staleBatch limits the calls to Temporal of one look at stale claims.
const staleBatch = 2000

// ReleaseStale mends claims that no dispatcher has taken up: if the workflow exists after all the claim is settled,
// otherwise the item is pending again.
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
		r.freed(released, began)
	}
	r.log.Warn("mended stale claims", "released", report.Released, "settled", report.Settled)
	return report, lookErr
}

// started tells the claims whose workflow exists from those whose does not. It goes on when one cannot be looked up, and
// returns the first error.
func (r *Recovery) started(ctx context.Context, claims []uuid.UUID) (missing []uuid.UUID, exist []store.Started, err error) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(compareParallel)
	for _, id := range claims {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			found, err := r.client.DescribeWorkflowExecution(ctx, workflows.ExecutionID(id), "")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case isNotFound(err):
				missing = append(missing, id)
			case err != nil:
				return fmt.Errorf("describe %s: %w", workflows.ExecutionID(id), err)
			default:
				exist = append(exist, store.Started{ExecutionID: id, RunID: found.GetWorkflowExecutionInfo().GetExecution().GetRunId()})
			}
			return nil
		})
	}
	return missing, exist, group.Wait()
}
