package recovery

import (
	"encoding/json"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"sluice/workflows"
)

// described is a run, and the event that closed it.
type described struct {
	*workflowservice.DescribeWorkflowExecutionResponse
	close *historypb.HistoryEvent // nil: it is open, or its history has gone
}

// next is the run that follows a closed one in its chain: it has continued as new, or is tried again. Empty: there is none.
func (d described) next() string {
	switch {
	case d.close.GetWorkflowExecutionContinuedAsNewEventAttributes() != nil:
		return d.close.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	case d.close.GetWorkflowExecutionFailedEventAttributes() != nil:
		return d.close.GetWorkflowExecutionFailedEventAttributes().GetNewExecutionRunId()
	case d.close.GetWorkflowExecutionTimedOutEventAttributes() != nil:
		return d.close.GetWorkflowExecutionTimedOutEventAttributes().GetNewExecutionRunId()
	case d.close.GetWorkflowExecutionCompletedEventAttributes() != nil:
		return d.close.GetWorkflowExecutionCompletedEventAttributes().GetNewExecutionRunId()
	}
	return ""
}

// ending is what the event that closed a run says of it.
func ending(closed *historypb.HistoryEvent) *workflows.Outcome {
	switch {
	case closed.GetWorkflowExecutionCompletedEventAttributes() != nil:
		return &workflows.Outcome{Output: resultOf(closed.GetWorkflowExecutionCompletedEventAttributes().GetResult())}
	case closed.GetWorkflowExecutionFailedEventAttributes() != nil:
		return failedWith(shorten(rootMessage(closed.GetWorkflowExecutionFailedEventAttributes().GetFailure())))
	case closed.GetWorkflowExecutionCanceledEventAttributes() != nil:
		return failedWith("canceled")
	case closed.GetWorkflowExecutionTimedOutEventAttributes() != nil:
		return failedWith("it has passed its timeout")
	case closed.GetWorkflowExecutionTerminatedEventAttributes() != nil:
		return failedWith(shorten(terminated(closed.GetWorkflowExecutionTerminatedEventAttributes())))
	}
	return &workflows.Outcome{}
}

// terminated tells by whom and why a run was terminated.
func terminated(by *historypb.WorkflowExecutionTerminatedEventAttributes) string {
	const text = "terminated by "
	switch {
	case strings.HasPrefix(by.GetReason(), text): // by somebody who says so; the identity is only the process that asked
		return by.GetReason()
	case by.GetIdentity() == "" && by.GetReason() == "":
		return "terminated"
	case by.GetIdentity() == "":
		return "terminated: " + by.GetReason()
	case by.GetReason() == "":
		return text + by.GetIdentity()
	}
	return text + by.GetIdentity() + ": " + by.GetReason()
}

func failedWith(message string) *workflows.Outcome {
	return &workflows.Outcome{Error: &workflows.OutcomeError{Message: message}}
}

// resultOf is a result as it is recorded: JSON that is plain as it is, and what is encoded otherwise as the payload that it is in.
func resultOf(result *commonpb.Payloads) json.RawMessage {
	all := result.GetPayloads()
	if len(all) == 0 {
		return nil
	}
	if encoding := string(all[0].GetMetadata()[converter.MetadataEncoding]); encoding == converter.MetadataEncodingNil {
		return nil
	} else if encoding == converter.MetadataEncodingJSON && json.Valid(all[0].GetData()) {
		return all[0].GetData()
	}
	raw, err := protojson.Marshal(all[0])
	if err != nil {
		return nil // a payload can be encoded
	}
	return raw
}
