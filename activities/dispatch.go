package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
	"sluice/workflows"
)

// DispatchExecutions starts the workflow of everything that is claimed and not dispatched, whichever run claimed it,
// and settles each: DISPATCHED, back to PENDING with backoff, or FAILED with its reason. What Temporal gave no answer
// for stays claimed: the next call asks again, and finds the workflow if it was started after all.
func (a *Activities) DispatchExecutions(ctx context.Context, r workflows.DispatchRequest) (workflows.DispatchResult, error) {
	fence, claims, err := a.queue.BeginDispatch(ctx, queue.Fence{Shard: r.Shard, Epoch: r.Epoch, Cycle: r.Cycle}, workflows.MaxBatchSize)
	if err != nil {
		return workflows.DispatchResult{}, temporalError(err)
	}
	b := a.startAll(ctx, claims, r.Parallelism)
	result := workflows.DispatchResult{Started: b.started, Left: len(b.left), LastError: b.lastError}
	if err := errors.Join(b.settleErr, a.settle(ctx, b.unsettled)); err != nil {
		return result, temporalError(err)
	}
	if len(b.failed) > 0 {
		requeued, err := a.queue.Requeue(ctx, fence, b.failed, retryPolicy(r.Retry))
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

// batch collects what became of the claims of one dispatch; its mutex guards all of it.
type batch struct {
	sync.Mutex
	started   int
	unsettled []queue.Started
	settleErr error
	failed    []queue.FailedStart
	left      []uuid.UUID
	lastError string
}

func (a *Activities) startAll(ctx context.Context, claims []queue.Claim, parallelism int) *batch {
	hosted := map[uuid.UUID]bool{}
	for _, c := range claims {
		if !hosted[c.WorkspaceID] {
			hosted[c.WorkspaceID] = true
			a.ensureWorkspace(c.WorkspaceID)
		}
	}
	var b batch
	var group errgroup.Group
	group.SetLimit(max(1, parallelism))
	for _, c := range claims {
		group.Go(func() error {
			a.startOne(ctx, c, &b)
			return nil
		})
	}
	_ = group.Wait() // startOne reports through the batch
	return &b
}

// startOne starts one execution and notes what became of it. After the first that got no answer nothing more is
// started: the client has tried for startTimeout by then, so Temporal is away or has too much to do.
func (a *Activities) startOne(ctx context.Context, c queue.Claim, b *batch) {
	if b.leave(c.ExecutionID) {
		return
	}
	runID, failed, err := a.start(ctx, c)
	if chunk := b.add(c, runID, failed, err); len(chunk) > 0 {
		if err := a.settle(ctx, chunk); err != nil {
			b.Lock()
			defer b.Unlock()
			b.settleErr = errors.Join(b.settleErr, err)
		}
	}
}

// settleEvery is how many starts are settled by one statement. What is settled is not done again when the worker dies
// in the middle of a batch.
const settleEvery = 32

func (a *Activities) settle(ctx context.Context, started []queue.Started) error {
	if len(started) == 0 {
		return nil
	}
	return a.queue.Settle(ctx, started)
}

// add notes what became of one claim, and returns starts that should be settled now.
func (b *batch) add(c queue.Claim, runID string, failed *queue.FailedStart, err error) (chunk []queue.Started) {
	b.Lock()
	defer b.Unlock()
	switch {
	case failed != nil:
		failed.ExecutionID = c.ExecutionID
		b.failed = append(b.failed, *failed)
	case err != nil:
		b.left = append(b.left, c.ExecutionID)
		b.lastError = err.Error()
	default:
		b.started++
		b.unsettled = append(b.unsettled, queue.Started{ExecutionID: c.ExecutionID, RunID: runID})
		if len(b.unsettled) >= settleEvery {
			chunk, b.unsettled = b.unsettled, nil
		}
	}
	return chunk
}

// leave leaves an execution to a later call, if others have been left already.
func (b *batch) leave(id uuid.UUID) bool {
	b.Lock()
	defer b.Unlock()
	if len(b.left) == 0 {
		return false
	}
	b.left = append(b.left, id)
	return true
}

// start returns the run id of the execution's workflow, or why it was not started, or an error when that is unknown.
func (a *Activities) start(ctx context.Context, c queue.Claim) (runID string, failed *queue.FailedStart, err error) {
	options, input, failed := startOptions(c)
	if failed != nil {
		return "", failed, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
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
