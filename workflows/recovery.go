package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	// RecoveryEvery is the schedule's interval, and ReconcileFor what it asks for: all of it but a moment.
	RecoveryEvery = time.Minute
	ReconcileFor  = Duration(57 * time.Second)
	// ReconcileEvery bounds, with the lag of Temporal's visibility, how long a slot can be wrong. A pass without a doubt
	// is two visibility queries and six small statements.
	ReconcileEvery    = Duration(2 * time.Second)
	recoveryHeartbeat = 3 * time.Second
)

// Recovery mends what no workflow is left to mend. Each step stands alone: one that fails does not keep the others from
// running. A schedule starts it every minute and asks it to go on reconciling for most of that minute, so a slot is
// wrong for seconds at most; without a request it makes one pass and ends.
func Recovery(ctx workflow.Context, request RecoveryRequest) (RecoveryReport, error) {
	steps := []struct {
		activity string
		args     []any
		lasts    time.Duration
	}{
		{ActivitySweepQueue, nil, 0},
		{ActivityReleaseStaleClaims, nil, 0},
		{ActivityReconcileSlots, []any{ReconcileRequest{For: request.ReconcileFor, Every: ReconcileEvery}}, time.Duration(request.ReconcileFor)},
	}
	var report RecoveryReport
	var problems []error
	for _, step := range steps {
		ctx := workflow.WithActivityOptions(ctx, recoveryOptions(step.lasts))
		var part RecoveryReport
		if err := workflow.ExecuteActivity(ctx, step.activity, step.args...).Get(ctx, &part); err != nil {
			problems = append(problems, err)
			continue
		}
		report = report.Plus(part)
	}
	return report, errors.Join(problems...)
}

// recoveryOptions are those of one step. One that lasts heartbeats, so a dead worker's is taken over in seconds.
func recoveryOptions(lasts time.Duration) workflow.ActivityOptions {
	options := workflow.ActivityOptions{
		StartToCloseTimeout: lasts + 45*time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumAttempts: 3},
	}
	if lasts > 0 {
		options.HeartbeatTimeout = recoveryHeartbeat
		options.ScheduleToCloseTimeout = 2 * options.StartToCloseTimeout
		options.RetryPolicy = &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: 2 * time.Second}
	}
	return options
}

// Plus adds two reports.
func (r RecoveryReport) Plus(o RecoveryReport) RecoveryReport {
	r.Expired += o.Expired
	r.Orphaned += o.Orphaned
	r.Released += o.Released
	r.Settled += o.Settled
	r.Checked += o.Checked
	r.Repaired += o.Repaired
	r.BellsAged += o.BellsAged
	return r
}
