package activities

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"sluice/queue"
	"sluice/workflows"
)

// staleBatch bounds the describes of one pass over stale claims.
const staleBatch = 2000

// ReleaseStaleClaims mends claims that no dispatcher has taken up: if the workflow exists after all the claim is
// settled, otherwise the item goes back to PENDING.
func (a *Activities) ReleaseStaleClaims(ctx context.Context) (workflows.RecoveryReport, error) {
	var report workflows.RecoveryReport
	stale, err := a.queue.StaleClaims(ctx, a.staleAfter, staleBatch)
	if err != nil {
		return report, temporalError(err)
	}
	var missing []uuid.UUID
	var exist []queue.Started
	for _, id := range stale {
		found, err := a.client.DescribeWorkflowExecution(ctx, workflows.ExecutionID(id), "")
		switch {
		case isNotFound(err):
			missing = append(missing, id)
		case err != nil:
			return report, fmt.Errorf("describe %s: %w", workflows.ExecutionID(id), err)
		default:
			exist = append(exist, queue.Started{ExecutionID: id, RunID: found.GetWorkflowExecutionInfo().GetExecution().GetRunId()})
		}
	}
	if err := a.queue.Settle(ctx, exist); err != nil {
		return report, temporalError(err)
	}
	report.Settled = int64(len(exist))
	report.Released, err = a.queue.Release(ctx, missing, a.staleAfter)
	if len(stale) > 0 {
		activity.GetLogger(ctx).Warn("mended stale claims", "released", report.Released, "settled", report.Settled)
	}
	return report, temporalError(err)
}
