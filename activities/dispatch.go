package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"

	"sluice/internal/dispatch"
	"sluice/internal/metric"
	"sluice/internal/request"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// DispatchExecutions starts the workflow of everything that is claimed and not dispatched, whichever run claimed it,
// and settles each: DISPATCHED, back to PENDING with backoff, or FAILED with its reason. What Temporal gave no answer
// for stays claimed: the next call asks again, and finds the workflow if it was started after all. A large batch is not
// waited for to its end: its last starts are under way while the next batch is claimed, see launcher.
func (a *Activities) DispatchExecutions(ctx context.Context, r workflows.DispatchRequest) (result workflows.DispatchResult, err error) {
	engine, l := a.engines.Of(r.Shard), a.launcher(r.Shard, r.Run)
	if err := l.acquire(ctx); err != nil {
		return result, temporalError(err)
	}
	defer l.release()
	starting := l.starting()
	executions, err := engine.Begin(ctx, r.Run, workflows.MaxBatchSize)
	if err != nil {
		return result, temporalError(err)
	}
	l.begin()
	a.host(executions)
	err = l.launch(ctx, executions, starting, max(1, r.Parallelism), a.eager.share(ctx, len(executions)))
	b := l.end(ctx)
	a.setAside(ctx, b.waiting())
	if err != nil || b.left+len(b.unanswered) > 0 {
		engine.Doubt()
	}
	result = workflows.DispatchResult{Started: b.started, Left: b.left, LastError: b.lastError}
	if err != nil {
		return result, temporalError(err)
	}
	if len(b.failed) > 0 {
		requeued, err := engine.Requeue(ctx, r.Run, b.failed, retryPolicy(r.Retry))
		if err != nil {
			return result, temporalError(err)
		}
		result.Requeued, result.Failed = requeued.Pending, requeued.Failed
	}
	metrics := activity.GetMetricsHandler(ctx)
	metric.Started.Add(metrics, int64(result.Started))
	for _, f := range b.failed {
		if f.Waits {
			continue // it is looked at again and again
		}
		metric.StartsFailed.Add(metrics, 1, f.Reason)
		activity.GetLogger(ctx).Warn("start failed", "item", f.ExecutionID, "reason", f.Reason, "permanent", f.Permanent, "error", f.Error)
	}
	return result, nil
}

// setAside notes on claims that their starts have got no answer, and tells of each once.
func (a *Activities) setAside(ctx context.Context, unanswered []store.Unanswered) {
	if len(unanswered) == 0 {
		return
	}
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	news, err := store.PutAside(noting, a.pool, unanswered)
	for _, u := range unanswered {
		if slices.Contains(news, u.ExecutionID) {
			a.log.Warn("a start has got no answer; the item stays claimed and is tried again", "item", u.ExecutionID, "aside", u.Aside, "error", u.Error)
		}
	}
	if err != nil {
		a.log.Warn("cannot note that starts have got no answer", "items", len(unanswered), "error", err)
	}
}

func (a *Activities) settle(ctx context.Context, started []store.Started) error {
	return store.Settle(ctx, a.pool, started)
}

func retryPolicy(r workflows.StartRetry) store.RetryPolicy {
	r = r.WithDefaults()
	return store.RetryPolicy{MaxAttempts: r.Attempts, Backoff: time.Duration(r.Backoff), MaxBackoff: time.Duration(r.MaxBackoff), Jitter: float64(r.Jitter) / 100}
}

// host has the workspaces' task queues served on which executions run, before their first task arrives. What runs on another task queue
// is for the workers of its caller.
func (a *Activities) host(executions []dispatch.Execution) {
	type need struct {
		workspace    uuid.UUID
		workflowType string
	}
	hosted := map[need]bool{}
	for _, x := range executions {
		n := need{workspace: x.WorkspaceID}
		if x.Workflow != nil {
			if x.Workflow.TaskQueue != workflows.WorkspaceTaskQueue(x.WorkspaceID) {
				continue
			}
			n.workflowType = x.Workflow.Type
		}
		if !hosted[n] {
			hosted[n] = true
			a.ensureWorkspace(n.workspace, n.workflowType)
		}
	}
}

// start returns the run id of the execution's workflow, or why it was not started, or an error when that is unknown.
func (a *Activities) start(ctx context.Context, x dispatch.Execution, mine bool) (runID string, failed *store.FailedStart, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if x.Workflow != nil {
		return a.startWorkflow(ctx, x, mine)
	}
	options, input, failed := startOptions(x)
	if failed != nil {
		return "", failed, nil
	}
	err = catalog.CheckTaskQueues(ctx, a.pool, x.WorkspaceID, input.Definition.TaskQueues()...)
	if errors.Is(err, store.ErrInvalid) {
		return "", &store.FailedStart{Reason: reasonInvalidGraph, Error: fmt.Sprintf("version %d of %s: %v", *x.VersionNumber, *x.DefinitionName, err), Permanent: true}, nil
	}
	if err != nil {
		return "", nil, err
	}
	if mine {
		if done, ok := a.eager.enter(); ok {
			defer done()
			options.EnableEagerStart = true
		}
	}
	plain, err := workflows.Plain(input)
	if err != nil {
		return "", nil, err
	}
	run, err := a.client.ExecuteWorkflow(ctx, options, workflows.ExecutionType, plain)
	if err == nil {
		return run.GetRunID(), nil, nil
	}
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &already) {
		return a.startedBefore(ctx, x, already.RunId, func() (string, error) {
			options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
			run, err := a.client.ExecuteWorkflow(request.WithID(ctx, x.ID.String()), options, workflows.ExecutionType, plain)
			if err != nil {
				return "", fmt.Errorf("start %s after another workflow of its id: %w", options.ID, err)
			}
			return run.GetRunID(), nil
		})
	}
	if judgeStart(err) == startPermanent {
		return "", &store.FailedStart{Reason: reasonRefused, Error: err.Error(), Permanent: true}, nil
	}
	return "", nil, fmt.Errorf("start %s: %w", options.ID, err)
}
