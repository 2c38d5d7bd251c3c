package admitted

import (
	"context"
	"errors"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"sluice/internal/bounds"
	"sluice/queue"
)

// answer makes a call that is about an item: from the queue while it waits there or has ended there, from Temporal once it runs.
func (c *Calls) answer(ctx context.Context, request, reply proto.Message, item queue.State, forward Forward) (err error) {
	if isQueued(item) || neverStarted(item) {
		if err := c.allowed(ctx, request); err != nil {
			return asStatus(err)
		}
	}
	var answer proto.Message
	switch r := request.(type) {
	case *workflowservice.DescribeWorkflowExecutionRequest:
		if isQueued(item) || neverStarted(item) {
			answer, err = c.describe(ctx, item)
		}
	case *workflowservice.GetWorkflowExecutionHistoryRequest:
		item, answer, err = c.history(ctx, r, item)
	case *workflowservice.RequestCancelWorkflowExecutionRequest:
		if item, err = c.end(ctx, item, r.GetIdentity(), r.GetReason()); ended(item, err) {
			answer = &workflowservice.RequestCancelWorkflowExecutionResponse{}
		}
	case *workflowservice.TerminateWorkflowExecutionRequest:
		if item, err = c.end(ctx, item, r.GetIdentity(), r.GetReason()); ended(item, err) {
			answer = &workflowservice.TerminateWorkflowExecutionResponse{}
		}
	default:
		item, err = c.running(ctx, item)
	}
	switch {
	case err != nil:
		return asStatus(err)
	case answer != nil:
		proto.Merge(reply, answer)
		return nil
	case item.EngineRunID == nil:
		return asStatus(serviceerror.NewUnavailablef("sluice: item %s is being started", item.ID))
	}
	return forward(ctx, withRuns(request, item.ID.String(), *item.EngineRunID))
}

// running returns the item once it runs, for calls that need a workflow: one that is just being started is waited for.
func (c *Calls) running(ctx context.Context, item queue.State) (queue.State, error) {
	item, err := c.await(ctx, item, isClaimed)
	switch {
	case err != nil:
		return item, err
	case isQueued(item):
		return item, serviceerror.NewFailedPreconditionf("sluice: workflow %s waits in the queue as item %s and has not been started: "+
			"until then it can only be described, awaited, cancelled and terminated", item.WorkflowID, item.ID)
	case neverStarted(item):
		return item, notFound(item)
	}
	return item, nil
}

// end ends an item that waits as CANCELLED. One that is just being started is waited for: then the call goes to Temporal.
func (c *Calls) end(ctx context.Context, item queue.State, identity, reason string) (queue.State, error) {
	if neverStarted(item) {
		return item, notFound(item)
	}
	for isQueued(item) {
		_, err := c.Queue.Cancel(ctx, item.ID, actor(identity), shortened(reason, bounds.MaxReason))
		if err != nil {
			return item, err
		}
		if item, err = c.Queue.Get(ctx, item.ID); err != nil {
			return item, err
		}
		if item, err = c.await(ctx, item, isClaimed); err != nil {
			return item, err
		}
	}
	return item, nil
}

func ended(item queue.State, err error) bool { return err == nil && neverStarted(item) }

// notFound is what Temporal says of a workflow that is closed.
func notFound(item queue.State) error {
	return serviceerror.NewNotFoundf("sluice: workflow execution already completed: item %s ended in the queue as %s", item.ID, item.Status)
}

// describe returns the description of a workflow that waits in the queue: running, without a history, as Temporal describes one with a
// start delay.
func (c *Calls) describe(ctx context.Context, item queue.State) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	start, err := c.Queue.Request(ctx, item.ID)
	if errors.Is(err, queue.ErrUnknownItem) {
		start, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	return description(item, start), nil
}

// closeStatus is that of a workflow which has ended in the queue.
func closeStatus(item queue.State) enums.WorkflowExecutionStatus {
	switch {
	case !neverStarted(item):
		return enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	case item.Status == "CANCELLED":
		return enums.WORKFLOW_EXECUTION_STATUS_CANCELED
	}
	return enums.WORKFLOW_EXECUTION_STATUS_FAILED
}
