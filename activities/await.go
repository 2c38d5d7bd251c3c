package activities

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"sluice/queue"
	"sluice/workflows"
)

// cycleTimeout bounds what a parked dispatcher does when it wakes, as its steps are bounded in its loop: a server that
// hangs must not keep it from there.
const cycleTimeout = 30 * time.Second

// awaitAtMost ends an idle wait; capacity is then read afresh, whatever the doorbell said.
const awaitAtMost = 10 * time.Minute

// SpinForWork looks at the doorbell every few milliseconds and tells whether it was rung in time.
func (a *Activities) SpinForWork(ctx context.Context, r workflows.SpinRequest) (bool, error) {
	rung, err := a.queue.Shard(r.Shard).Spin(ctx, queue.Mark(r.Mark), time.Now().Add(time.Duration(r.For)))
	return rung, temporalError(err)
}

// AwaitWork parks: it returns when the doorbell is rung, when the next scheduled item is due, or after ten minutes. What
// has come it claims and starts itself, if it was given a cycle for that. A worker that stops hands the wait to another
// at once.
func (a *Activities) AwaitWork(ctx context.Context, r workflows.AwaitRequest) (result workflows.AwaitResult, err error) {
	until := time.Now().Add(awaitAtMost)
	if r.DueIn > 0 {
		until = time.Now().Add(min(time.Duration(r.DueIn), awaitAtMost))
	}
	a.leaveDeadWorker(ctx)
	waiting, stop := beating(ctx)
	defer stop()
	rung, err := a.queue.Await(waiting, r.Shard, queue.Mark(r.Mark), until, time.Duration(r.Poll))
	switch {
	case err != nil && stopping(waiting):
		err = errWorkerStopping
	case ctx.Err() != nil:
		return result, nil // the dispatcher has moved on and no longer waits for this
	case err == nil && r.Cycle != nil && (rung || r.DueIn > 0):
		return a.cycle(ctx, r.Shard, *r.Cycle)
	}
	return result, temporalError(err)
}

// cycle takes the steps 2 to 4 of the dispatcher's loop. Whatever is in the way is for its next one to meet and to note;
// what was claimed before is not lost on the way: it is started there.
func (a *Activities) cycle(ctx context.Context, shard int, c workflows.ParkedCycle) (result workflows.AwaitResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, cycleTimeout)
	defer cancel()
	report, err := a.CheckCapacity(ctx, workflows.CapacityRequest{Shard: shard, Epoch: c.Epoch, BatchSize: c.BatchSize})
	if err != nil || len(report.Grants) == 0 || report.Shards <= shard {
		return result, nil
	}
	claimed, err := a.ClaimExecutions(ctx, workflows.ClaimRequest{Shard: shard, Epoch: c.Epoch, Cycle: c.Cycle, Grants: report.Grants, Lines: report.Lines})
	if err != nil {
		return result, nil
	}
	result.Claimed = claimed
	if claimed.New+claimed.Carried == 0 {
		return result, nil
	}
	dispatched, err := a.DispatchExecutions(ctx, workflows.DispatchRequest{Shard: shard, Epoch: c.Epoch, Cycle: c.Cycle, Parallelism: c.Parallelism, Retry: c.Retry})
	if err == nil {
		result.Dispatched = &dispatched
	}
	return result, nil
}

// leaveDeadWorker makes the dispatcher's next workflow task one for any worker. Who takes a wait over does so because
// its worker has stopped or died, and for ten seconds Temporal would first offer each workflow task to the dead worker's
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
