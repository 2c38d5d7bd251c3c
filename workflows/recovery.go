package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	// RecoveryEvery is how often the schedule looks whether Recovery runs, and how long it reconciles between two sweeps.
	RecoveryEvery = time.Minute
	// ReconcileEvery limits, with the lag of Temporal's visibility, how long a slot can be wrong. A pass while nothing
	// happens is one visibility query and two small statements.
	ReconcileEvery    = Duration(2 * time.Second)
	recoveryHeartbeat = 3 * time.Second
)

// Recovery mends what no workflow is left to mend. Its steps run at once and each stands alone: a sweep that takes long, or fails, keeps
// no slot wrong. Asked to go on it never ends: it sweeps, reconciles for a while, and continues as new. Its schedule only sees to
// it that there is one; a schedule that started each round left gaps of 40 s in an hour of chaos. Without a request it makes
// one pass and ends.
func Recovery(ctx workflow.Context, request RecoveryRequest) (RecoveryReport, error) {
	if err := standsAlone(ctx); err != nil {
		return RecoveryReport{}, err
	}
	steps := []struct {
		activity string
		args     []any
		lasts    time.Duration
	}{
		{ActivitySweep, nil, 0},
		{ActivityReleaseStaleClaims, nil, 0},
		{ActivityReconcile, []any{ReconcileRequest{For: request.ReconcileFor, Every: ReconcileEvery}}, time.Duration(request.ReconcileFor)},
	}
	// A run under way from before took one step after the other.
	atOnce := workflow.GetVersion(ctx, "steps at once", workflow.DefaultVersion, 1) != workflow.DefaultVersion
	parts := make([]workflow.Future, len(steps))
	for i, step := range steps {
		parts[i] = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, recoveryOptions(step.lasts, request.GoOn)), step.activity, step.args...)
		if !atOnce {
			_ = parts[i].Get(ctx, nil) // its error is seen below
		}
	}
	var report RecoveryReport
	var problems []error
	for _, future := range parts {
		var part RecoveryReport
		if err := future.Get(ctx, &part); err != nil {
			problems = append(problems, err)
			continue
		}
		report = report.Plus(part)
	}
	err := errors.Join(problems...)
	if !request.GoOn || isRefused(err) {
		return report, err
	}
	if err != nil {
		workflow.GetLogger(ctx).Warn("a recovery step failed; the next round tries again", "error", err)
		_ = workflow.Sleep(ctx, errorPause) // not at once: a step may fail at once
	}
	return report, workflow.NewContinueAsNewError(ctx, RecoveryType, request)
}

// recoveryOptions are those of one step. One that lasts heartbeats, so a dead worker's is taken over in seconds. The others are not tried
// again where another round follows: it must not wait for them.
func recoveryOptions(lasts time.Duration, goesOn bool) workflow.ActivityOptions {
	options := workflow.ActivityOptions{
		StartToCloseTimeout: lasts + 45*time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumAttempts: 3},
	}
	if goesOn {
		options.RetryPolicy.MaximumAttempts = 1
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
	r.Dropped += o.Dropped
	return r
}
