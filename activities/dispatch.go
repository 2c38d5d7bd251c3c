package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"

	"sluice/queue"
	"sluice/workflows"
)

// DispatchExecutions starts the workflow of everything that is claimed and not dispatched, whichever run claimed it,
// and settles each: DISPATCHED, back to PENDING with backoff, or FAILED with its reason. What Temporal gave no answer
// for stays claimed: the next call asks again, and finds the workflow if it was started after all. A large batch is not
// waited for to its end: its last starts are under way while the next batch is claimed, see launcher.
func (a *Activities) DispatchExecutions(ctx context.Context, r workflows.DispatchRequest) (workflows.DispatchResult, error) {
	l := a.launcher(r.Shard, r.Epoch)
	if err := l.acquire(ctx); err != nil {
		return workflows.DispatchResult{}, temporalError(err)
	}
	defer l.release()
	memory := a.memory(r.Shard)
	starting := l.starting()
	fence, claims, err := memory.BeginDispatch(ctx, queue.Fence{Shard: r.Shard, Epoch: r.Epoch, Cycle: r.Cycle}, workflows.MaxBatchSize)
	if err != nil {
		return workflows.DispatchResult{}, temporalError(err)
	}
	if !l.begin(fence) {
		memory.Doubt()
	}
	a.host(claims)
	err = l.launch(ctx, claims, starting, max(1, r.Parallelism), a.eager.share(ctx, len(claims)))
	b := l.end()
	if err != nil || b.left > 0 || b.settleErr != nil {
		memory.Doubt()
	}
	result := workflows.DispatchResult{Started: b.started, Left: b.left, LastError: b.lastError}
	if err := errors.Join(err, b.settleErr, l.settle(ctx, b.unsettled)); err != nil {
		memory.Doubt()
		return result, temporalError(err)
	}
	if len(b.failed) > 0 {
		requeued, err := a.queue.Requeue(ctx, fence, b.failed, retryPolicy(r.Retry))
		if err != nil || requeued.Pending+requeued.Failed < len(b.failed) {
			memory.Doubt()
		}
		if err != nil {
			return result, temporalError(err)
		}
		result.Requeued, result.Failed = requeued.Pending, requeued.Failed
	}
	metrics := activity.GetMetricsHandler(ctx)
	metrics.Counter("sluice_executions_started").Inc(int64(result.Started))
	for _, f := range b.failed {
		metrics.WithTags(map[string]string{"reason": f.Reason}).Counter("sluice_starts_failed").Inc(1)
		activity.GetLogger(ctx).Warn("start failed", "item", f.ExecutionID, "reason", f.Reason, "permanent", f.Permanent, "error", f.Error)
	}
	return result, nil
}

func retryPolicy(r workflows.StartRetry) queue.RetryPolicy {
	r = r.WithDefaults()
	return queue.RetryPolicy{MaxAttempts: r.Attempts, Backoff: time.Duration(r.Backoff), MaxBackoff: time.Duration(r.MaxBackoff), Jitter: float64(r.Jitter) / 100}
}

// host has the task queues of the claims served, before their first task arrives.
func (a *Activities) host(claims []queue.Claim) {
	hosted := map[uuid.UUID]bool{}
	for _, c := range claims {
		if !hosted[c.WorkspaceID] {
			hosted[c.WorkspaceID] = true
			a.ensureWorkspace(c.WorkspaceID)
		}
	}
}

// start returns the run id of the execution's workflow, or why it was not started, or an error when that is unknown.
func (a *Activities) start(ctx context.Context, c queue.Claim, mine bool) (runID string, failed *queue.FailedStart, err error) {
	options, input, failed := startOptions(c)
	if failed != nil {
		return "", failed, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if mine {
		if done, ok := a.eager.enter(); ok {
			defer done()
			options.EnableEagerStart = true
		}
	}
	run, err := a.client.ExecuteWorkflow(ctx, options, workflows.ExecutionType, input)
	if err == nil {
		return run.GetRunID(), nil, nil
	}
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &already) {
		return a.startedBefore(ctx, c, already.RunId)
	}
	switch judgeStart(err) {
	case startPermanent:
		return "", &queue.FailedStart{Reason: reasonRefused, Error: err.Error(), Permanent: true}, nil
	case startFailed:
		return "", &queue.FailedStart{Reason: reasonStartFailed, Error: err.Error()}, nil
	}
	return "", nil, fmt.Errorf("start %s: %w", options.ID, err)
}

// startedBefore tells our own earlier start, which is success, from somebody else's workflow of that id.
func (a *Activities) startedBefore(ctx context.Context, c queue.Claim, runID string) (string, *queue.FailedStart, error) {
	id := workflows.ExecutionID(c.ExecutionID)
	found, err := a.client.DescribeWorkflowExecution(ctx, id, runID)
	if err != nil {
		return "", nil, fmt.Errorf("describe %s: %w", id, err)
	}
	info := found.GetWorkflowExecutionInfo()
	ours := info.GetType().GetName() == workflows.ExecutionType && info.GetTaskQueue() == workflows.WorkspaceTaskQueue(c.WorkspaceID)
	if !ours {
		return "", &queue.FailedStart{Reason: reasonIDTaken, Permanent: true, Error: fmt.Sprintf(
			"workflow %s run %s of type %s on task queue %s is not ours", id, runID, info.GetType().GetName(), info.GetTaskQueue())}, nil
	}
	return runID, nil, nil
}
