package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"sluice/internal/definition"
	"sluice/internal/dispatch"
	"sluice/internal/request"
	"sluice/internal/store"
	"sluice/workflows"
)

// startWorkflow starts an item that is a workflow: the request of its caller, for its workspace. It returns like start.
func (a *Activities) startWorkflow(ctx context.Context, x dispatch.Execution, mine bool) (runID string, failed *store.FailedStart, err error) {
	r, onConflict, failed, err := a.completeRequest(ctx, x)
	if failed != nil || err != nil {
		return "", failed, err
	}
	eager := false
	if mine {
		if done, ok := a.eager.enter(); ok {
			defer done()
			eager = true
		}
	}
	runID, err = a.sender.Send(ctx, r, eager)
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case err == nil:
		return runID, nil, nil
	case errors.As(err, &already):
		return a.workflowBefore(ctx, x, r.GetWorkflowId(), already.RunId, onConflict)
	case judgeStart(err) == startPermanent:
		return "", &store.FailedStart{Reason: reasonRefused, Error: err.Error(), Permanent: true}, nil
	}
	return "", nil, err
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
	if err := errors.Join(request.Check(complete), definition.CheckWorkflow(x.WorkspaceID, complete.GetWorkflowType().GetName(), complete.GetTaskQueue().GetName())); err != nil {
		return refuse(reasonInvalidRequest, err.Error())
	}
	return complete, input.Options.OnConflict, nil, nil
}

// workflowBefore tells an earlier start of the item's own workflow, which is success, from another workflow of its id. A chain of its own
// that has continued as new is found by the first run of the chain.
func (a *Activities) workflowBefore(ctx context.Context, x dispatch.Execution, id, runID, onConflict string) (string, *store.FailedStart, error) {
	found, err := a.client.DescribeWorkflowExecution(ctx, id, runID)
	if err != nil {
		return "", nil, fmt.Errorf("describe %s: %w", id, err)
	}
	info := found.GetWorkflowExecutionInfo()
	var item string
	_ = json.Unmarshal(info.GetSearchAttributes().GetIndexedFields()[workflows.AttributeQueueItem].GetData(), &item)
	closed := info.GetCloseTime() != nil
	switch {
	case item == x.ID.String():
		first := info.GetFirstRunId()
		if first == "" {
			first = runID
		}
		_, err = store.DropClaim(ctx, a.pool, store.Run{ExecutionID: x.ID, RunID: first}, closed)
		return first, nil, err
	case closed: // a policy of the request does not let the id be used again
		return "", &store.FailedStart{Reason: reasonIDTaken, Permanent: true, Error: fmt.Sprintf(
			"workflow %s was run before, by run %s, and the request's reuse policy does not allow another", id, runID)}, nil
	}
	return "", &store.FailedStart{Reason: reasonIDTaken, Permanent: onConflict != "wait", Waits: onConflict == "wait", Error: fmt.Sprintf(
		"workflow %s is open: run %s of type %s on task queue %s", id, runID, info.GetType().GetName(), info.GetTaskQueue())}, nil
}
