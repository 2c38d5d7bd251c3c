package host

import (
	"context"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sluice/workflows"
)

// endRefused ends an execution of a definition FAILED, with the server's reason, when the server refuses what its workflow task asks for.
// Otherwise the task is done again for ever, and the execution holds its slot: most refusals leave no trace but tasks that time out.
// Definitions are checked for what is known to be refused when they are applied and when they are run; this is for what a server refuses
// beyond that. All other workflows are left alone: those of an application's own are for its workers to mend.
func endRefused(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	task, ok := request.(*workflowservice.RespondWorkflowTaskCompletedRequest)
	if err == nil || !ok {
		return err
	}
	refusal := serviceerror.ToStatus(err)
	if refusal.Code() != codes.InvalidArgument || !isExecutions(ctx, task, conn, invoke, options...) {
		return err
	}
	// The SDK hears of the refusal all the same, and forgets the workflow.
	_ = invoke(ctx, method, failing(task, refusal), &workflowservice.RespondWorkflowTaskCompletedResponse{}, conn, options...)
	return err
}

// failing is the answer to a workflow task that ends its workflow with a refusal.
func failing(task *workflowservice.RespondWorkflowTaskCompletedRequest, refusal *status.Status) *workflowservice.RespondWorkflowTaskCompletedRequest {
	fail := proto.Clone(task).(*workflowservice.RespondWorkflowTaskCompletedRequest)
	fail.Messages, fail.QueryResults, fail.ReturnNewWorkflowTask, fail.ForceCreateNewWorkflowTask = nil, nil, false, false
	fail.Commands = []*commandpb.Command{{
		CommandType: enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_FailWorkflowExecutionCommandAttributes{FailWorkflowExecutionCommandAttributes: &commandpb.FailWorkflowExecutionCommandAttributes{
			Failure: &failurepb.Failure{
				Message: "Temporal refused what the execution asked for: " + cut(refusal.Message()), Source: "Sluice",
				FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "Refused", NonRetryable: true}},
			}}},
	}}
	return fail
}

// cut keeps a refusal, which may quote a name, within what a server takes of a failure.
func cut(text string) string {
	const most = 2000
	if len(text) <= most {
		return text
	}
	return string([]rune(text[:most])) + "…"
}

// isExecutions tells whether a task is of a workflow that runs a definition, by its id and by its type, which Temporal is asked for.
func isExecutions(ctx context.Context, task *workflowservice.RespondWorkflowTaskCompletedRequest, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) bool {
	workflowID, runID := readToken(task.GetTaskToken())
	if _, ours := workflows.ParseExecutionID(workflowID); !ours {
		return false
	}
	var found workflowservice.DescribeWorkflowExecutionResponse
	err := invoke(ctx, workflowservice.WorkflowService_DescribeWorkflowExecution_FullMethodName, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: task.GetNamespace(), Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID},
	}, &found, conn, options...)
	return err == nil && found.GetWorkflowExecutionInfo().GetType().GetName() == workflows.ExecutionType
}

// readToken reads whose task a token is of: its second and third field. Those that another server makes are left alone.
func readToken(token []byte) (workflowID, runID string) {
	for len(token) > 0 {
		field, kind, n := protowire.ConsumeTag(token)
		if n < 0 {
			return "", ""
		}
		token = token[n:]
		var text string
		if kind == protowire.BytesType {
			text, n = protowire.ConsumeString(token)
		} else {
			n = protowire.ConsumeFieldValue(field, kind, token)
		}
		if n < 0 {
			return "", ""
		}
		token = token[n:]
		switch {
		case field == 2 && kind == protowire.BytesType:
			workflowID = text
		case field == 3 && kind == protowire.BytesType:
			runID = text
		}
	}
	return workflowID, runID
}
