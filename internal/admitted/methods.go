package admitted

import (
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// messages makes the request and the reply of a call.
type messages func() (request, reply proto.Message)

func of[Request, Reply any, PRequest interface {
	*Request
	proto.Message
}, PReply interface {
	*Reply
	proto.Message
}]() messages {
	return func() (proto.Message, proto.Message) { return PRequest(new(Request)), PReply(new(Reply)) }
}

// methods are the calls that Do does not only forward, but for a worker's: those it would only count.
var methods = map[string]messages{
	workflowservice.WorkflowService_StartWorkflowExecution_FullMethodName:             of[workflowservice.StartWorkflowExecutionRequest, workflowservice.StartWorkflowExecutionResponse](),
	workflowservice.WorkflowService_DescribeWorkflowExecution_FullMethodName:          of[workflowservice.DescribeWorkflowExecutionRequest, workflowservice.DescribeWorkflowExecutionResponse](),
	workflowservice.WorkflowService_GetWorkflowExecutionHistory_FullMethodName:        of[workflowservice.GetWorkflowExecutionHistoryRequest, workflowservice.GetWorkflowExecutionHistoryResponse](),
	workflowservice.WorkflowService_GetWorkflowExecutionHistoryReverse_FullMethodName: of[workflowservice.GetWorkflowExecutionHistoryReverseRequest, workflowservice.GetWorkflowExecutionHistoryReverseResponse](),
	workflowservice.WorkflowService_QueryWorkflow_FullMethodName:                      of[workflowservice.QueryWorkflowRequest, workflowservice.QueryWorkflowResponse](),
	workflowservice.WorkflowService_RequestCancelWorkflowExecution_FullMethodName:     of[workflowservice.RequestCancelWorkflowExecutionRequest, workflowservice.RequestCancelWorkflowExecutionResponse](),
	workflowservice.WorkflowService_TerminateWorkflowExecution_FullMethodName:         of[workflowservice.TerminateWorkflowExecutionRequest, workflowservice.TerminateWorkflowExecutionResponse](),
	workflowservice.WorkflowService_UpdateWorkflowExecution_FullMethodName:            of[workflowservice.UpdateWorkflowExecutionRequest, workflowservice.UpdateWorkflowExecutionResponse](),
	workflowservice.WorkflowService_SignalWorkflowExecution_FullMethodName:            of[workflowservice.SignalWorkflowExecutionRequest, workflowservice.SignalWorkflowExecutionResponse](),
	workflowservice.WorkflowService_ResetWorkflowExecution_FullMethodName:             of[workflowservice.ResetWorkflowExecutionRequest, workflowservice.ResetWorkflowExecutionResponse](),
	workflowservice.WorkflowService_DeleteWorkflowExecution_FullMethodName:            of[workflowservice.DeleteWorkflowExecutionRequest, workflowservice.DeleteWorkflowExecutionResponse](),
	workflowservice.WorkflowService_UpdateWorkflowExecutionOptions_FullMethodName:     of[workflowservice.UpdateWorkflowExecutionOptionsRequest, workflowservice.UpdateWorkflowExecutionOptionsResponse](),
	workflowservice.WorkflowService_PollWorkflowExecutionUpdate_FullMethodName:        of[workflowservice.PollWorkflowExecutionUpdateRequest, workflowservice.PollWorkflowExecutionUpdateResponse](),
	workflowservice.WorkflowService_RecordActivityTaskHeartbeatById_FullMethodName:    of[workflowservice.RecordActivityTaskHeartbeatByIdRequest, workflowservice.RecordActivityTaskHeartbeatByIdResponse](),
	workflowservice.WorkflowService_RespondActivityTaskCompletedById_FullMethodName:   of[workflowservice.RespondActivityTaskCompletedByIdRequest, workflowservice.RespondActivityTaskCompletedByIdResponse](),
	workflowservice.WorkflowService_RespondActivityTaskFailedById_FullMethodName:      of[workflowservice.RespondActivityTaskFailedByIdRequest, workflowservice.RespondActivityTaskFailedByIdResponse](),
	workflowservice.WorkflowService_RespondActivityTaskCanceledById_FullMethodName:    of[workflowservice.RespondActivityTaskCanceledByIdRequest, workflowservice.RespondActivityTaskCanceledByIdResponse](),
	workflowservice.WorkflowService_SignalWithStartWorkflowExecution_FullMethodName:   of[workflowservice.SignalWithStartWorkflowExecutionRequest, workflowservice.SignalWithStartWorkflowExecutionResponse](),
	workflowservice.WorkflowService_ExecuteMultiOperation_FullMethodName:              of[workflowservice.ExecuteMultiOperationRequest, workflowservice.ExecuteMultiOperationResponse](),
	workflowservice.WorkflowService_CreateSchedule_FullMethodName:                     of[workflowservice.CreateScheduleRequest, workflowservice.CreateScheduleResponse](),
}

// Messages makes an empty request and an empty reply of a method, by its full name, for Do; false says that Do would only forward it.
func Messages(method string) (request, reply proto.Message, ok bool) {
	of, ok := methods[method]
	if !ok {
		return nil, nil, false
	}
	request, reply = of()
	return request, reply, true
}
