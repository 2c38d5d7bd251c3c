package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// TaskTimeout is the workflow task timeout of the dispatcher and of Recovery: what a worker that died in the middle of a
// task costs before another one takes it over. The loop leaves its task about once a second, so a step that lasts
// longer is kept alive by heartbeats of the SDK (after 2.4 s).
const TaskTimeout = 3 * time.Second

// ExecutionTaskTimeout is that of Execution, and what a task costs that was handed to a connection that is lost. It is longer: while
// Postgres is away each task of an execution that has ended is kept alive by heartbeats too, and each of those is written to its history.
const ExecutionTaskTimeout = 5 * time.Second

// outcomePatience is for ever: a slot is held until the outcome is recorded.
const outcomePatience = 10 * 365 * 24 * time.Hour

// How long a step may take, its retries included. A worker that died in the middle of a local one is noticed by the
// workflow task timeout, not by these; they end a step that hangs on a server.
const (
	queueStepTimeout = 10 * time.Second
	dispatchTimeout  = 30 * time.Second
	yieldTimeout     = 3 * time.Second
	// awaitTimeout ends an idle wait; each costs some ten history events.
	awaitTimeout = 10 * time.Minute
	// awaitHeartbeat is what a dead worker costs while the dispatcher waits.
	awaitHeartbeat = 2 * time.Second
)

func takeOver(ctx workflow.Context, shard int, runID string, takeover int) (run int64, err error) {
	err = localStep(ctx, queueStepTimeout, ActivityTakeOver, &run, shard, runID, takeover)
	return run, err
}

func retire(ctx workflow.Context, shard int, runID string) (retired bool, err error) {
	err = localStep(ctx, queueStepTimeout, ActivityRetire, &retired, shard, runID)
	return retired, err
}

// checkCapacity is a local activity, or a regular one when the loop yields: then the workflow task ends, and messages
// are handled before the answer is. The server hands a regular activity back to the worker that asked for it (eager
// execution), so this costs some 15 ms once a second; its short timeout is for a worker that dies meanwhile.
func checkCapacity(ctx workflow.Context, r CapacityRequest, yield bool) (report CapacityReport, err error) {
	if !yield {
		err = localStep(ctx, queueStepTimeout, ActivityCheckCapacity, &report, r)
		return report, err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    yieldTimeout,
		ScheduleToCloseTimeout: queueStepTimeout,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond, BackoffCoefficient: 4},
	})
	err = workflow.ExecuteActivity(ctx, ActivityCheckCapacity, r).Get(ctx, &report)
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

// awaitWork is always a regular activity: a workflow task that waited this long would not answer messages.
// The heartbeat finds a dead worker; any worker can take the wait over.
func awaitWork(ctx workflow.Context, r AwaitRequest) workflow.Future {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: awaitTimeout + time.Minute,
		HeartbeatTimeout:    awaitHeartbeat,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: 2 * time.Second},
		Summary:             "waits until there is work",
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
