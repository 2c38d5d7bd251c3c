package admitted

import (
	"context"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"sluice/internal/metric"
)

// Calls that start workflows past the queue.
const (
	passedStart           = "Start" // in no workspace's name
	passedSignalWithStart = "SignalWithStart"
	passedUpdateWithStart = "UpdateWithStart"
	passedSchedule        = "Schedule"
	passedChild           = "Child"
)

// count tells of what passes. A child is started by the workflow task of its parent, so only a worker's client sees it.
func (c *Calls) count(request proto.Message) {
	if c.Passed == nil {
		return
	}
	switch r := request.(type) {
	case *workflowservice.StartWorkflowExecutionRequest:
		if !isOwn(r) {
			c.Passed(passedStart)
		}
	case *workflowservice.SignalWithStartWorkflowExecutionRequest:
		c.Passed(passedSignalWithStart)
	case *workflowservice.ExecuteMultiOperationRequest:
		c.Passed(passedUpdateWithStart)
	case *workflowservice.CreateScheduleRequest:
		c.Passed(passedSchedule)
	case *workflowservice.RespondWorkflowTaskCompletedRequest:
		for _, command := range r.GetCommands() {
			if command.GetCommandType() == enums.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION {
				c.Passed(passedChild)
			}
		}
	}
}

func (c *Calls) allowed(ctx context.Context, request proto.Message) error {
	if c.Allowed == nil {
		return nil
	}
	return c.Allowed(ctx, request)
}

// Counting returns a Passed that counts; nil without a handler.
func Counting(handler client.MetricsHandler) func(call string) {
	if handler == nil {
		return nil
	}
	return func(call string) {
		metric.NotAdmitted.Add(handler, 1, call)
	}
}
