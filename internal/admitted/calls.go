package admitted

import (
	"context"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"sluice/queue"
)

// Queue is what is asked of a queue.Client.
type Queue interface {
	Enqueue(ctx context.Context, item queue.Item) (queue.Answer, error)
	Get(ctx context.Context, id uuid.UUID) (queue.State, error)
	Cancel(ctx context.Context, id uuid.UUID, actor, reason string) (status string, err error)
	ReleaseKey(ctx context.Context, workspace uuid.UUID, key, actor string) (queue.Answer, error)
	Workspace(ctx context.Context, key string) (uuid.UUID, error)
	NotStarted(ctx context.Context, workflowID string) (items map[uuid.UUID]uuid.UUID, err error)
	Request(ctx context.Context, id uuid.UUID) (*workflowservice.StartWorkflowExecutionRequest, error)
}

// Calls answers calls. It is safe for concurrent use.
type Calls struct {
	Queue Queue
	// Namespace is the one whose starts are admitted. Calls for others pass.
	Namespace string
	// WorkspaceOf says in which workspace's name a workflow is started, by its id or its external key; "" for nobody's: then it passes.
	WorkspaceOf func(ctx context.Context, start *workflowservice.StartWorkflowExecutionRequest) string
	// Allowed asks whether the caller may make a call that Temporal will not see. nil: whoever can call, may.
	Allowed func(ctx context.Context, request proto.Message) error
	// Passed is told of calls that start workflows past the queue, by what they are. nil: it is not told.
	Passed func(call string)
}

// Forward makes the call at the server, with this request, and fills in the reply.
type Forward func(ctx context.Context, request proto.Message) error

// Describe asks the server for a workflow, in the name of the same caller.
type Describe func(ctx context.Context, request *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error)

// Do makes one call: its reply comes from the queue or from the server. Its errors are gRPC statuses.
func (c *Calls) Do(ctx context.Context, request, reply proto.Message, forward Forward, describe Describe) error {
	if installed, ok := ctx.Value(askKey{}).(*bool); ok {
		*installed = true
		return nil
	}
	if r, ok := request.(interface{ GetNamespace() string }); !ok || r.GetNamespace() != c.Namespace {
		return forward(ctx, request)
	}
	if start, ok := request.(*workflowservice.StartWorkflowExecutionRequest); ok {
		return c.start(ctx, start, reply, forward, describe)
	}
	if history, ok := request.(*workflowservice.GetWorkflowExecutionHistoryRequest); ok {
		request = withoutOurToken(history)
	}
	c.count(request)
	named, first := namedBy(request)
	if named == nil {
		return forward(ctx, request)
	}
	run := named.GetRunId()
	if run == "" {
		run = first
	}
	if run == "" {
		return c.byID(ctx, named.GetWorkflowId(), request, reply, forward, describe)
	}
	item, ok, err := c.byRun(ctx, named, run)
	switch {
	case err != nil:
		return asStatus(err)
	case !ok:
		return forward(ctx, request)
	}
	return c.answer(ctx, request, reply, item, forward)
}

// namedBy returns the workflow that a call is about, nil if it is about none, and the first run of the chain that it means.
func namedBy(request proto.Message) (named *commonpb.WorkflowExecution, first string) {
	switch r := request.(type) {
	case *workflowservice.DescribeWorkflowExecutionRequest:
		named = r.GetExecution()
	case *workflowservice.GetWorkflowExecutionHistoryRequest:
		named = r.GetExecution()
	case *workflowservice.GetWorkflowExecutionHistoryReverseRequest:
		named = r.GetExecution()
	case *workflowservice.QueryWorkflowRequest:
		named = r.GetExecution()
	case *workflowservice.RequestCancelWorkflowExecutionRequest:
		named, first = r.GetWorkflowExecution(), r.GetFirstExecutionRunId()
	case *workflowservice.TerminateWorkflowExecutionRequest:
		named, first = r.GetWorkflowExecution(), r.GetFirstExecutionRunId()
	case *workflowservice.UpdateWorkflowExecutionRequest:
		named, first = r.GetWorkflowExecution(), r.GetFirstExecutionRunId()
	case *workflowservice.SignalWorkflowExecutionRequest:
		named = r.GetWorkflowExecution()
	case *workflowservice.ResetWorkflowExecutionRequest:
		named = r.GetWorkflowExecution()
	case *workflowservice.DeleteWorkflowExecutionRequest:
		named = r.GetWorkflowExecution()
	case *workflowservice.UpdateWorkflowExecutionOptionsRequest:
		named = r.GetWorkflowExecution()
	case *workflowservice.PollWorkflowExecutionUpdateRequest:
		named = r.GetUpdateRef().GetWorkflowExecution()
	case *workflowservice.RecordActivityTaskHeartbeatByIdRequest:
		named = &commonpb.WorkflowExecution{WorkflowId: r.GetWorkflowId(), RunId: r.GetRunId()}
	case *workflowservice.RespondActivityTaskCompletedByIdRequest:
		named = &commonpb.WorkflowExecution{WorkflowId: r.GetWorkflowId(), RunId: r.GetRunId()}
	case *workflowservice.RespondActivityTaskFailedByIdRequest:
		named = &commonpb.WorkflowExecution{WorkflowId: r.GetWorkflowId(), RunId: r.GetRunId()}
	case *workflowservice.RespondActivityTaskCanceledByIdRequest:
		named = &commonpb.WorkflowExecution{WorkflowId: r.GetWorkflowId(), RunId: r.GetRunId()}
	}
	return named, first
}

// withRuns returns the request with the item's id replaced by that of the run. The caller's own stays as it is: it may try again with it.
func withRuns(request proto.Message, item, run string) proto.Message {
	request = proto.Clone(request)
	named, first := namedBy(request)
	if named.GetRunId() == item {
		named.RunId = run
		switch r := request.(type) { // these name it by a field of their own
		case *workflowservice.RecordActivityTaskHeartbeatByIdRequest:
			r.RunId = run
		case *workflowservice.RespondActivityTaskCompletedByIdRequest:
			r.RunId = run
		case *workflowservice.RespondActivityTaskFailedByIdRequest:
			r.RunId = run
		case *workflowservice.RespondActivityTaskCanceledByIdRequest:
			r.RunId = run
		}
	}
	if first == item {
		switch r := request.(type) {
		case *workflowservice.RequestCancelWorkflowExecutionRequest:
			r.FirstExecutionRunId = run
		case *workflowservice.TerminateWorkflowExecutionRequest:
			r.FirstExecutionRunId = run
		case *workflowservice.UpdateWorkflowExecutionRequest:
			r.FirstExecutionRunId = run
		}
	}
	return request
}
