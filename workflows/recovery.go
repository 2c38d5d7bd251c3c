package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Recovery is one pass of mending, started by a schedule every minute. Each step stands alone: one that fails does
// not keep the others from running.
func Recovery(ctx workflow.Context) (RecoveryReport, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 45 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumAttempts: 3},
	})
	var report RecoveryReport
	var problems []error
	for _, step := range []string{ActivitySweepQueue, ActivityReleaseStaleClaims, ActivityReconcileSlots} {
		var part RecoveryReport
		if err := workflow.ExecuteActivity(ctx, step).Get(ctx, &part); err != nil {
			problems = append(problems, err)
			continue
		}
		report = report.plus(part)
	}
	return report, errors.Join(problems...)
}

func (r RecoveryReport) plus(o RecoveryReport) RecoveryReport {
	r.Expired += o.Expired
	r.Orphaned += o.Orphaned
	r.Released += o.Released
	r.Settled += o.Settled
	r.Checked += o.Checked
	r.Repaired += o.Repaired
	r.BellsAged += o.BellsAged
	return r
}
