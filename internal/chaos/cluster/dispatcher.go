package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// DispatchersPID is the process of the newest workflow task of a shard's dispatcher. The SDK makes its identity of pid@host@.
func DispatchersPID(ctx context.Context, c client.Client, namespace string, shard int) (int, error) {
	page, err := c.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: workflows.ShardID(shard)}, MaximumPageSize: 100})
	if err != nil {
		return 0, fmt.Errorf("read the history of %s: %w", workflows.ShardID(shard), err)
	}
	for _, event := range page.GetHistory().GetEvents() {
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED {
			return pidOf(event.GetWorkflowTaskStartedEventAttributes().GetIdentity())
		}
	}
	return 0, fmt.Errorf("%s has had no workflow task lately", workflows.ShardID(shard))
}

// WaitersPID is the process that runs the wait of a shard's dispatcher, which claims and starts what it has been waiting for;
// zero when the dispatcher does not wait.
func WaitersPID(ctx context.Context, c client.Client, shard int) (int, error) {
	described, err := c.DescribeWorkflowExecution(ctx, workflows.ShardID(shard), "")
	if err != nil {
		return 0, fmt.Errorf("describe %s: %w", workflows.ShardID(shard), err)
	}
	for _, a := range described.GetPendingActivities() {
		if a.GetLastWorkerIdentity() != "" {
			return pidOf(a.GetLastWorkerIdentity())
		}
	}
	return 0, nil
}

// HoldersPID is the process that a shard's dispatcher works in at present: that of its wait, or else of its newest workflow task.
func HoldersPID(ctx context.Context, c client.Client, namespace string, shard int) (int, error) {
	pid, err := WaitersPID(ctx, c, shard)
	if err == nil && pid == 0 {
		pid, err = DispatchersPID(ctx, c, namespace, shard)
	}
	return pid, err
}

func pidOf(identity string) (int, error) {
	pid, _, _ := strings.Cut(identity, "@")
	n, err := strconv.Atoi(pid)
	if err != nil {
		return 0, fmt.Errorf("find a process in the identity %q: %w", identity, err)
	}
	return n, nil
}
