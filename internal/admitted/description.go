package admitted

import (
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/queue"
)

// Types of the application errors with which a workflow fails that ended in the queue.
const (
	ErrorExpired    = "SluiceExpired"
	ErrorNotStarted = "SluiceNotStarted"
)

// description is the item as a workflow; start is what its caller asked for, nil where it is not known.
func description(item queue.State, start *workflowservice.StartWorkflowExecutionRequest) *workflowservice.DescribeWorkflowExecutionResponse {
	id := item.ID.String()
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: item.WorkflowID, RunId: id}, FirstRunId: id,
		Type: &commonpb.WorkflowType{Name: text(item.WorkflowType)}, TaskQueue: text(item.TaskQueue),
		StartTime: timestamppb.New(item.CreatedAt), ExecutionTime: timestamppb.New(item.AvailableAt),
		Status: closeStatus(item), Memo: start.GetMemo(), SearchAttributes: start.GetSearchAttributes(),
		Priority: start.GetPriority(), RootExecution: &commonpb.WorkflowExecution{WorkflowId: item.WorkflowID, RunId: id},
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: info,
		ExecutionConfig: &workflowpb.WorkflowExecutionConfig{
			TaskQueue:                &taskqueuepb.TaskQueue{Name: text(item.TaskQueue), Kind: enums.TASK_QUEUE_KIND_NORMAL},
			WorkflowExecutionTimeout: start.GetWorkflowExecutionTimeout(), WorkflowRunTimeout: start.GetWorkflowRunTimeout(),
			DefaultWorkflowTaskTimeout: start.GetWorkflowTaskTimeout(), UserMetadata: start.GetUserMetadata(),
		},
	}
}

// closing is the last event of a workflow that ended in the queue, from which clients take its result.
func closing(item queue.State) *historypb.HistoryEvent {
	e := &historypb.HistoryEvent{EventId: 1, EventTime: timestamppb.New(item.CreatedAt)}
	if item.Status == "CANCELLED" {
		e.EventType = enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes{
			WorkflowExecutionCanceledEventAttributes: &historypb.WorkflowExecutionCanceledEventAttributes{}}
		return e
	}
	kind, what := ErrorNotStarted, "could not be started"
	if item.Status == "EXPIRED" {
		kind, what = ErrorExpired, "expired in the queue"
	}
	e.EventType = enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
		WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{
			RetryState: enums.RETRY_STATE_NON_RETRYABLE_FAILURE,
			Failure: &failurepb.Failure{
				Message: fmt.Sprintf("sluice: item %s %s: %s", item.ID, what, text(item.Error)), Source: "Sluice",
				FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
					ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: kind, NonRetryable: true}},
			}}}
	return e
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
