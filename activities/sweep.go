package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"sluice/workflows"
)

const (
	sweepBatch = 1000
	// bellAge is longer than any wait goes on without reading capacity afresh.
	bellAge = 2 * awaitAtMost
	// endingAge is for how long an audit finds quickly what has ended since.
	endingAge = 7 * 24 * time.Hour
)

// SweepQueue ends what has waited too long or waits for nobody, and deletes old bells and endings.
func (a *Activities) SweepQueue(ctx context.Context) (report workflows.RecoveryReport, err error) {
	if report.Expired, err = inBatches(ctx, a.queue.Expire); err != nil {
		return report, temporalError(err)
	}
	if report.Orphaned, err = inBatches(ctx, a.queue.RefuseOrphans); err != nil {
		return report, temporalError(err)
	}
	if report.BellsAged, err = a.queue.PruneDoorbell(ctx, bellAge); err != nil {
		return report, temporalError(err)
	}
	_, err = a.queue.PruneEndings(ctx, endingAge)
	if report.Expired+report.Orphaned > 0 {
		activity.GetLogger(ctx).Info("swept the queue", "expired", report.Expired, "orphaned", report.Orphaned)
	}
	return report, temporalError(err)
}

// inBatches repeats a bounded statement until it finds nothing more, or most of the activity's time is over; the next
// pass goes on.
func inBatches(ctx context.Context, step func(context.Context, int) (int64, error)) (total int64, err error) {
	for start := time.Now(); time.Since(start) < 20*time.Second; {
		n, err := step(ctx, sweepBatch)
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
	return total, nil
}
