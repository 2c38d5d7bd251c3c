package admitted

import (
	"context"
	"errors"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"sluice/queue"
	"sluice/workflows"
)

// byID makes a call that names no run. Where a workflow of the id is open the call is about that one, because an item waits for its
// end. Else it is about an item that waits to start one. Which it is, a description tells before the call is made: Temporal answers many
// a call for a closed workflow too, deletes it or opens it again. Ids are shared by all workspaces, and a call does not say for which it
// is made: so no item stands in for a workflow of another workspace than its own.
func (c *Calls) byID(ctx context.Context, id string, request, reply proto.Message, forward Forward, describe Describe) error {
	if isTemporals(request) {
		return forward(ctx, request)
	}
	items, err := c.waiting(ctx, id)
	switch {
	case err != nil:
		return asStatus(err)
	case len(items) == 0:
		return forward(ctx, request)
	}
	described, isDescription := reply.(*workflowservice.DescribeWorkflowExecutionResponse)
	if isDescription {
		err = forward(ctx, request)
	} else {
		described, err = describe(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: c.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: id}})
	}
	if err != nil && status.Code(err) != codes.NotFound {
		return asStatus(err)
	}
	meant, ok, unclear := choose(id, items, described.GetWorkflowExecutionInfo())
	switch {
	case unclear != nil:
		return asStatus(unclear)
	case !ok && isDescription:
		return nil
	case !ok:
		return forward(ctx, request)
	}
	proto.Reset(reply)
	item, err := c.Queue.Get(ctx, meant)
	history, reads := request.(*workflowservice.GetWorkflowExecutionHistoryRequest)
	switch {
	case errors.Is(err, queue.ErrUnknownItem), err == nil && !isQueued(item) && !reads: // it has been started or has ended meanwhile
		return forward(ctx, request)
	case err != nil:
		return asStatus(err)
	case reads:
		request = ofItem(history, item.ID.String())
	}
	return c.answer(ctx, request, reply, item, forward)
}

// isTemporals tells whether a call without a run goes to Temporal even while an item waits: it reads on in the run of its page token, or it
// is about an activity or an update, which only a workflow that was started can have.
func isTemporals(request proto.Message) bool {
	switch r := request.(type) {
	case *workflowservice.GetWorkflowExecutionHistoryRequest: // without a token of ours
		return len(r.GetNextPageToken()) > 0
	case *workflowservice.GetWorkflowExecutionHistoryReverseRequest:
		return len(r.GetNextPageToken()) > 0
	case *workflowservice.RecordActivityTaskHeartbeatByIdRequest, *workflowservice.RespondActivityTaskCompletedByIdRequest,
		*workflowservice.RespondActivityTaskFailedByIdRequest, *workflowservice.RespondActivityTaskCanceledByIdRequest,
		*workflowservice.PollWorkflowExecutionUpdateRequest:
		return true
	}
	return false
}

// isOpen tells whether a workflow that Temporal knows is open.
func isOpen(known *workflowpb.WorkflowExecutionInfo) bool {
	return known.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING || known.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_PAUSED
}

// waiting returns, for each workspace that has some, its newest item that waits to start a workflow of this id.
func (c *Calls) waiting(ctx context.Context, id string) (map[uuid.UUID]uuid.UUID, error) {
	own, byItem := workflows.ParseExecutionID(id)
	if !byItem {
		return c.Queue.NotStarted(ctx, id)
	}
	item, err := c.Queue.Get(ctx, own)
	switch {
	case errors.Is(err, queue.ErrUnknownItem), err == nil && (item.WorkflowID != id || !isQueued(item)):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return map[uuid.UUID]uuid.UUID{item.WorkspaceID: own}, nil
}

// choose returns which of the items that wait a call means: that of the workspace in whose name the workflow was started that Temporal
// knows, if it knows one. It is false where the call means that workflow, as it does while that is open.
func choose(id string, items map[uuid.UUID]uuid.UUID, known *workflowpb.WorkflowExecutionInfo) (item uuid.UUID, ok bool, err error) {
	if isOpen(known) {
		return item, false, nil
	}
	if own, byItem := workflows.ParseExecutionID(id); byItem {
		return own, true, nil // whoever has run under it, it is the item's
	}
	owner, nobodys := uuid.Parse(known.GetPriority().GetFairnessKey())
	switch {
	case nobodys == nil:
		item, ok = items[owner]
		return item, ok, nil
	case len(items) == 1:
		for _, item = range items {
		}
		return item, true, nil
	case known != nil:
		return item, false, nil
	}
	return item, false, serviceerror.NewFailedPreconditionf("sluice: items of %d workspaces wait in the queue to start workflow %s: "+
		"name the run too, which the start has answered", len(items), id)
}
