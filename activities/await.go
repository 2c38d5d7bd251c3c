package activities

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"sluice/workflows"
)

const (
	// awaitAtMost ends an idle wait.
	awaitAtMost = 10 * time.Minute
	// planAgain is how often a plan is made although nothing is heard: each sweeps a part of the backlog, for items that no event
	// tells of.
	planAgain = 5 * time.Second
	// stepTimeout limits a step of a cycle that is taken here, as steps are limited in the dispatcher's loop: a server that hangs
	// must not keep it from there.
	stepTimeout = 30 * time.Second
)

// AwaitWork waits until something can be started, or for ten minutes, and takes the steps of the dispatcher's loop for it. A
// worker that stops hands the wait to another at once.
func (a *Activities) AwaitWork(ctx context.Context, r workflows.AwaitRequest) (result workflows.AwaitResult, err error) {
	a.leaveDeadWorker(ctx)
	waiting, stop := beating(ctx)
	defer stop()
	engine, end := a.engines.Of(r.Shard), time.Now().Add(awaitAtMost)
	for {
		done, dueIn := a.cycle(ctx, r, &result)
		if done || !time.Now().Before(end) {
			return result, nil
		}
		_, err := engine.Await(waiting, earlier(earlier(end, dueIn), planAgain), time.Duration(r.Poll))
		switch {
		case err != nil && stopping(waiting):
			return result, errWorkerStopping
		case ctx.Err() != nil:
			return result, nil // the dispatcher has moved on and no longer waits for this
		case err != nil:
			// The loop goes on at once, on another connection, and notes it.
			activity.GetLogger(ctx).Warn("cannot hear what is new; the wait ends", "shard", r.Shard, "error", err)
			result.Deaf = err.Error()
			return result, nil
		}
	}
}

// cycle takes the steps 2 to 4 of the dispatcher's loop, and tells whether there is an end to the wait. Whatever goes wrong ends
// it too: the loop will meet it again, and note it.
func (a *Activities) cycle(ctx context.Context, r workflows.AwaitRequest, result *workflows.AwaitResult) (done bool, dueIn time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	report, dueIn, err := a.plan(ctx, r.Shard, r.Run, r.BatchSize)
	result.Capacity = report
	if err != nil || report.Shards <= r.Shard {
		return true, 0
	}
	if report.Items > 0 {
		if result.Claimed, err = a.ClaimExecutions(ctx, workflows.ClaimRequest{Shard: r.Shard, Run: r.Run}); err != nil {
			return true, 0
		}
	} else if report.Unstarted == 0 {
		return false, dueIn
	}
	if max(report.Unstarted, result.Claimed.Unstarted) > 0 {
		dispatched, err := a.DispatchExecutions(ctx, workflows.DispatchRequest{Shard: r.Shard, Run: r.Run, Parallelism: r.Parallelism, Retry: r.Retry})
		if err == nil {
			result.Dispatched = &dispatched
		}
	}
	return true, 0
}

// leaveDeadWorker makes the dispatcher's next workflow task one for any worker. A worker takes a wait over because the one
// before has stopped or died, and for ten seconds Temporal would first offer each workflow task to the dead worker's
// sticky queue, for a second and more: 4.4 to 5.7 s until the next start instead of the figures in docs/operations.md.
func (a *Activities) leaveDeadWorker(ctx context.Context) {
	info := activity.GetInfo(ctx)
	if info.Attempt == 1 {
		return
	}
	_, err := a.client.WorkflowService().ResetStickyTaskQueue(ctx, &workflowservice.ResetStickyTaskQueueRequest{
		Namespace: info.Namespace,
		Execution: &commonpb.WorkflowExecution{WorkflowId: info.WorkflowExecution.ID, RunId: info.WorkflowExecution.RunID},
	})
	if err != nil {
		activity.GetLogger(ctx).Debug("cannot take the dispatcher from its last worker's sticky queue", "error", err)
	}
}
