package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"sluice/internal/definition"
	"sluice/internal/dispatch"
	"sluice/internal/recovery"
	"sluice/internal/request"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// aloneFor is for how long after a claim no other process can have started what it took. The SDK tells the server that a process lives when
// 0.8 of a timeout are over, so one that stalls as it claims may be taken for dead 0.6 s later in the dispatcher's loop (workflows.TaskTimeout),
// and 0.5 s later in a wait for work, the pause before that is tried again included.
const aloneFor = workflows.TaskTimeout / 6

// startWorkflow starts an item that is a workflow: the request of its caller, for its workspace. It returns like start.
func (a *Activities) startWorkflow(ctx context.Context, x dispatch.Execution, mine bool) (runID string, failed *store.FailedStart, err error) {
	r, onConflict, failed, err := a.completeRequest(ctx, x)
	if failed != nil || err != nil {
		return "", failed, err
	}
	// Once more if the first look took as long as that: this process may have stalled as it was answered. Not for ever: Temporal may be slow.
	for look, at := 0, x.Claimed; x.Workflow.ID != "" && look < 2 && time.Since(at) > aloneFor; look++ {
		at = time.Now()
		before, err := a.ownBefore(ctx, x)
		if err != nil || before != nil {
			return a.foundStarted(ctx, x, before, err)
		}
	}
	eager := false
	if mine {
		if done, ok := a.eager.enter(); ok {
			defer done()
			eager = true
		}
	}
	runID, err = a.send(ctx, x.ID, r, eager)
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case err == nil:
		return runID, nil, nil
	case errors.As(err, &already) && x.Workflow.ID == "":
		return a.startedBefore(ctx, x, already.RunId, func() (string, error) {
			r.WorkflowIdReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
			return a.send(ctx, x.ID, r, false)
		})
	case errors.As(err, &already):
		return a.workflowBefore(ctx, x, r, already.RunId, onConflict)
	case judgeStart(err) == startPermanent:
		return "", &store.FailedStart{Reason: reasonRefused, Error: err.Error(), Permanent: true}, nil
	}
	return "", nil, err
}

// send starts it with a callback, the only one: request.Check lets none of a caller pass. Where the server refuses that and takes the
// start without, it is therefore this callback that it refuses, for all starts.
func (a *Activities) send(ctx context.Context, item uuid.UUID, r *workflowservice.StartWorkflowExecutionRequest, eager bool) (runID string, err error) {
	callbacks := a.callbacks.Of(ctx, item)
	if len(callbacks) == 0 {
		return a.sender.Send(ctx, r, eager)
	}
	r.CompletionCallbacks = callbacks
	runID, err = a.sender.Send(ctx, r, eager)
	var invalid *serviceerror.InvalidArgument
	if !errors.As(err, &invalid) {
		return runID, err
	}
	r.CompletionCallbacks = nil
	runID, again := a.sender.Send(ctx, r, eager)
	if again == nil {
		a.callbacks.Suspend(err)
	}
	return runID, again
}

// completeRequest makes the request that is sent for an item.
func (a *Activities) completeRequest(ctx context.Context, x dispatch.Execution) (r *workflowservice.StartWorkflowExecutionRequest, onConflict string, failed *store.FailedStart, err error) {
	refuse := func(reason, message string) (*workflowservice.StartWorkflowExecutionRequest, string, *store.FailedStart, error) {
		return nil, "", &store.FailedStart{Reason: reason, Error: message, Permanent: true}, nil
	}
	if x.WorkspaceName == nil || x.Plan == nil || x.Weight == nil {
		return refuse(reasonWorkspaceGone, "workspace "+x.WorkspaceID.String()+" no longer exists")
	}
	input, err := request.ParseInput(x.Input)
	if err != nil {
		return refuse(reasonInvalidRequest, err.Error())
	}
	raw := x.Workflow.Request
	if raw == nil && input.Args == nil {
		if raw, err = store.Request(ctx, a.pool, x.ID); err != nil {
			return nil, "", nil, err
		}
		if raw == nil {
			return refuse(reasonInputGone, "its request is neither with the item nor in sluice.inputs")
		}
	}
	if raw == nil {
		r = input.FromJSON()
	} else if r, err = request.Parse(raw); err != nil {
		return refuse(reasonInvalidRequest, err.Error())
	}
	id := x.Workflow.ID
	if id == "" {
		id = workflows.ExecutionID(x.ID)
	}
	complete := request.Start{
		Namespace: activity.GetInfo(ctx).Namespace, Identity: "sluice", Item: x.ID, Workspace: x.WorkspaceID, Weight: float32(*x.Weight),
		Priority: int32(x.Priority), Type: x.Workflow.Type, TaskQueue: x.Workflow.TaskQueue, ID: id,
		Attributes: map[string]string{
			workflows.AttributeWorkspace: x.WorkspaceID.String(), workflows.AttributePlan: *x.Plan, workflows.AttributeQueueItem: x.ID.String()},
	}.Complete(r)
	err = errors.Join(request.Check(r),
		definition.CheckWorkflow(x.WorkspaceID, complete.GetWorkflowType().GetName(), complete.GetTaskQueue().GetName(), x.Workflow.ID))
	if err == nil {
		err = catalog.CheckTaskQueues(ctx, a.pool, x.WorkspaceID, complete.GetTaskQueue().GetName())
		if err != nil && !errors.Is(err, store.ErrInvalid) {
			return nil, "", nil, err
		}
	}
	if err != nil {
		return refuse(reasonInvalidRequest, err.Error())
	}
	return complete, input.Options.OnConflict, nil, nil
}

// workflowBefore tells an earlier start of the item's own workflow, which is success, from another workflow of its id.
func (a *Activities) workflowBefore(
	ctx context.Context, x dispatch.Execution, r *workflowservice.StartWorkflowExecutionRequest, runID, onConflict string,
) (string, *store.FailedStart, error) {
	id := r.GetWorkflowId()
	found, err := a.client.DescribeWorkflowExecution(ctx, id, runID)
	if err != nil {
		return "", nil, fmt.Errorf("describe %s: %w", id, err)
	}
	info := found.GetWorkflowExecutionInfo()
	if ours, err := a.startedFor(ctx, x, info); err != nil || ours {
		return a.foundStarted(ctx, x, info, err)
	}
	waits := onConflict == "wait"
	which := fmt.Sprintf("run %s of type %s on task queue %s", info.GetExecution().GetRunId(), info.GetType().GetName(), info.GetTaskQueue())
	if owner := info.GetPriority().GetFairnessKey(); owner != "" && owner != x.WorkspaceID.String() {
		which = "it is another workspace's"
	}
	if info.GetCloseTime() != nil && !reusable(r, info) {
		return "", &store.FailedStart{Reason: reasonIDTaken, Permanent: true, Error: fmt.Sprintf(
			"workflow %s was run before, and the request's reuse policy does not allow another: %s", id, which)}, nil
	}
	return "", &store.FailedStart{Reason: reasonIDTaken, Permanent: !waits, Waits: waits, Error: fmt.Sprintf(
		"workflow %s is open: %s", id, which)}, nil
}

// reusable tells whether a request may use the id of a closed workflow: then it was open when the start was refused.
func reusable(r *workflowservice.StartWorkflowExecutionRequest, closed *workflowpb.WorkflowExecutionInfo) bool {
	switch r.GetWorkflowIdReusePolicy() {
	case enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
		return false
	case enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY:
		return closed.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}
	return true
}

// foundStarted is the answer for an item whose workflow has been started before, by the first run of its chain.
func (a *Activities) foundStarted(ctx context.Context, x dispatch.Execution, info *workflowpb.WorkflowExecutionInfo, err error) (string, *store.FailedStart, error) {
	if err != nil {
		return "", nil, err
	}
	first := cmp.Or(info.GetFirstRunId(), info.GetExecution().GetRunId())
	_, err = store.DropClaim(ctx, a.pool, store.Run{ExecutionID: x.ID, RunID: first}, info.GetCloseTime() != nil)
	return first, nil, err
}

// ownBefore looks for the workflow of an item that may have been started before, under an id of its caller's own. The server knows a
// repeated start only while the run that it began is the newest of its id. It is no longer when it has continued as new, or when the id is
// in use again: if that has closed, a repeated start would be a second one, and so would that of a process that has stalled while another
// took its place.
func (a *Activities) ownBefore(ctx context.Context, x dispatch.Execution) (*workflowpb.WorkflowExecutionInfo, error) {
	found, err := a.client.DescribeWorkflowExecution(ctx, x.Workflow.ID, "")
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("describe %s: %w", x.Workflow.ID, err)
	}
	if ours, err := a.startedFor(ctx, x, found.GetWorkflowExecutionInfo()); err != nil || ours {
		return found.GetWorkflowExecutionInfo(), err
	}
	return recovery.EarlierRun(ctx, a.client, x.ID, x.Workflow.ID)
}
