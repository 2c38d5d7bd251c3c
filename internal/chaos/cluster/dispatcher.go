package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// DispatchersPID is the process of the dispatcher's newest workflow task. The SDK makes its identity of pid@host@.
func DispatchersPID(ctx context.Context, c client.Client, namespace string) (int, error) {
	page, err := c.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: workflows.DispatcherID}, MaximumPageSize: 100})
	if err != nil {
		return 0, fmt.Errorf("read the dispatcher's history: %w", err)
	}
	for _, event := range page.GetHistory().GetEvents() {
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED {
			return pidOf(event.GetWorkflowTaskStartedEventAttributes().GetIdentity())
		}
	}
	return 0, errors.New("the dispatcher has had no workflow task lately")
}

// WaitersPID is the process that runs the dispatcher's wait while it is parked; zero when it is not.
func WaitersPID(ctx context.Context, c client.Client) (int, error) {
	described, err := c.DescribeWorkflowExecution(ctx, workflows.DispatcherID, "")
	if err != nil {
		return 0, fmt.Errorf("describe the dispatcher: %w", err)
	}
	for _, a := range described.GetPendingActivities() {
		if a.GetLastWorkerIdentity() != "" {
			return pidOf(a.GetLastWorkerIdentity())
		}
	}
	return 0, nil
}

func pidOf(identity string) (int, error) {
	pid, _, _ := strings.Cut(identity, "@")
	n, err := strconv.Atoi(pid)
	if err != nil {
		return 0, fmt.Errorf("find a process in the identity %q: %w", identity, err)
	}
	return n, nil
}
