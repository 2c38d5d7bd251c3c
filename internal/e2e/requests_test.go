package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"sluice/queue"
	"sluice/workflows"
)

// What one workspace enqueues changes nothing for the items of another.

// 32 callbacks, as many as a server takes, are too many with Sluice's own. No way to enqueue lets them in: here an older version has.
func TestCallbacksOfARequestLeaveThoseOfOtherStarts(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.own("orders", ownTypes)
	change, over := s.calledBack()
	s.host(change)
	one, other := s.workspace("PRO"), s.workspace("PRO")
	r := &workflowservice.StartWorkflowExecutionRequest{WorkflowType: &commonpb.WorkflowType{Name: "Waits"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "orders"}}
	id := s.enqueue(queue.Item{WorkspaceID: other.ID, Workflow: &queue.Workflow{Request: r}})
	for i := range 32 {
		r.CompletionCallbacks = append(r.CompletionCallbacks, &commonpb.Callback{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{
			Url: fmt.Sprintf("http://%s/ended?%d", over.address, i)}}})
	}
	raw, err := proto.Marshal(r)
	require.NoError(t, err)
	_, err = s.pool.Exec(s.ctx, `UPDATE sluice.pending SET request = $2 WHERE id = $1`, id, raw)
	require.NoError(t, err)
	s.dispatch(workflows.State{})
	refused := s.await(id, "FAILED")
	require.Equal(t, "invalid-request", *refused.Reason)
	require.Contains(t, *refused.Error, "32 completion callbacks")

	item := s.enqueueOwn(one.ID, client.StartWorkflowOptions{TaskQueue: "orders"}, "Completes", map[string]int{"order": 1}, "x")
	s.await(item.QueueID, workflows.StatusCompleted)
	began, err := s.client.GetWorkflowHistory(s.ctx, item.WorkflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
	require.NoError(t, err)
	require.Len(t, began.GetWorkflowExecutionStartedEventAttributes().GetCompletionCallbacks(), 1, "the start of another workspace has its callback")
}

func TestAnItemThatWaitsStandsInForNoWorkflowOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.own("orders", map[string]any{"Done": func(workflow.Context) (string, error) { return "done", nil }})
	s.run()
	one, other := s.workspace("PRO"), s.workspace("PRO")
	app := s.dial(client.Options{HostPort: s.gateway(), Namespace: s.namespace})
	run, err := app.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: "invoice-1", TaskQueue: "orders", Priority: temporal.Priority{FairnessKey: one.ID.String()}}, "Done")
	require.NoError(t, err)
	require.NoError(t, run.Get(s.ctx, nil))
	waiting, err := s.queue.EnqueueWorkflow(s.ctx, queue.Item{WorkspaceID: other.ID, AvailableAt: time.Now().Add(time.Hour)},
		client.StartWorkflowOptions{ID: "invoice-1", TaskQueue: "orders"}, "Done")
	require.NoError(t, err)

	described, err := app.DescribeWorkflowExecution(s.ctx, "invoice-1", "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, described.GetWorkflowExecutionInfo().GetStatus())
	var result string
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	require.NoError(t, app.GetWorkflow(s.ctx, "invoice-1", "").Get(ctx, &result))
	require.Equal(t, "done", result)
	require.ErrorAs(t, app.TerminateWorkflow(s.ctx, "invoice-1", "", "void"), new(*serviceerror.NotFound))
	item, err := s.queue.Get(s.ctx, waiting.QueueID)
	require.NoError(t, err)
	require.Equal(t, "PENDING", item.Status)
}
