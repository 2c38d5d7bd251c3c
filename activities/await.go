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

// awaitAtMost ends an idle wait; capacity is then read afresh, whatever the doorbell said.
const awaitAtMost = 10 * time.Minute

// SpinForWork looks at the doorbell every few milliseconds and tells whether it was rung in time.
func (a *Activities) SpinForWork(ctx context.Context, r workflows.SpinRequest) (bool, error) {
	rung, err := a.queue.Shard(r.Shard).Spin(ctx, queue.Mark(r.Mark), time.Now().Add(time.Duration(r.For)))
	return rung, temporalError(err)
}

// AwaitWork parks: it returns when the doorbell is rung, when the next scheduled item is due, or after ten minutes.
// A worker that stops hands the wait to another at once.
func (a *Activities) AwaitWork(ctx context.Context, r workflows.AwaitRequest) (bool, error) {
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
		return false, nil // the dispatcher has moved on and no longer waits for this
	}
	return rung, temporalError(err)
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
