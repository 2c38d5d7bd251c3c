package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// outcomePatience is for ever: a slot is held until the outcome is recorded.
const outcomePatience = 10 * 365 * 24 * time.Hour

// How long a step may take, its retries included. A worker that died in the middle of one is noticed by the workflow task timeout, not by
// these; they end a step that hangs on a server.
const (
	queueStepTimeout = 10 * time.Second
	dispatchTimeout  = 30 * time.Second
	// awaitTimeout ends an idle wait: 10 minutes cost about 60 history events an hour.
	awaitTimeout   = 10 * time.Minute
	awaitHeartbeat = 3 * time.Second
)

func openEpoch(ctx workflow.Context, shard int, runID string) (epoch int64, err error) {
	err = localStep(ctx, queueStepTimeout, ActivityOpenEpoch, &epoch, shard, runID)
	return epoch, err
}

func checkCapacity(ctx workflow.Context, r CapacityRequest) (report CapacityReport, err error) {
	err = localStep(ctx, queueStepTimeout, ActivityCheckCapacity, &report, r)
	return report, err
}

func claimExecutions(ctx workflow.Context, r ClaimRequest) (result ClaimResult, err error) {
	err = localStep(ctx, queueStepTimeout, ActivityClaimExecutions, &result, r)
	return result, err
}

func dispatchExecutions(ctx workflow.Context, r DispatchRequest) (result DispatchResult, err error) {
	err = localStep(ctx, dispatchTimeout, ActivityDispatchExecutions, &result, r)
	return result, err
}

func spinForWork(ctx workflow.Context, r SpinRequest) (rung bool, err error) {
	err = localStep(ctx, queueStepTimeout, ActivitySpinForWork, &rung, r)
	return rung, err
}

// awaitWork is the one regular activity of the loop: a workflow task that waited this long would not answer messages.
// The heartbeat finds a dead worker; any worker can take the wait over.
func awaitWork(ctx workflow.Context, r AwaitRequest) workflow.Future {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: awaitTimeout + time.Minute,
		HeartbeatTimeout:    awaitHeartbeat,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: 2 * time.Second},
		Summary:             "parked until there is work",
	})
	return workflow.ExecuteActivity(ctx, ActivityAwaitWork, r)
}

func logAction(ctx workflow.Context, a Action) error {
	return localStep(ctx, queueStepTimeout, ActivityLogAction, nil, a)
}

// recordOutcome tries until it succeeds: a slot is held until it does. Between attempts that are far apart the wait is
// a timer of the server, so it outlives the worker.
func recordOutcome(ctx workflow.Context, o Outcome) error {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: queueStepTimeout,
		// Without it the SDK takes StartToCloseTimeout for all attempts together.
		ScheduleToCloseTimeout: outcomePatience,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second},
	})
	return workflow.ExecuteLocalActivity(ctx, ActivityRecordOutcome, o).Get(ctx, nil)
}

func localStep(ctx workflow.Context, timeout time.Duration, name string, result any, args ...any) error {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: timeout,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond, BackoffCoefficient: 4, MaximumAttempts: 3},
	})
	return workflow.ExecuteLocalActivity(ctx, name, args...).Get(ctx, result)
}
