package e2e

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/queue"
	"sluice/workflows"
)

// own serves workflow types of a user's own, by a worker of their own that knows nothing of Sluice.
func (s *stack) own(taskQueue string, types map[string]any) {
	s.t.Helper()
	w := worker.New(s.client, taskQueue, worker.Options{})
	for name, f := range types {
		w.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: name})
	}
	require.NoError(s.t, w.Start())
	s.t.Cleanup(w.Stop)
}

var ownTypes = map[string]any{
	"Completes": func(_ workflow.Context, order map[string]int, tag string) (map[string]any, error) {
		return map[string]any{"order": order["order"], "tag": tag}, nil
	},
	"Fails": func(workflow.Context) error {
		return temporal.NewNonRetryableApplicationError("no stock", "Stock", nil)
	},
	"Waits":    func(ctx workflow.Context) error { return workflow.Sleep(ctx, time.Hour) },
	"Overruns": func(ctx workflow.Context) error { return workflow.Sleep(ctx, time.Hour) },
	"Continues": func(ctx workflow.Context, left int) (int, error) {
		if left > 0 {
			return 0, workflow.NewContinueAsNewError(ctx, "Continues", left-1)
		}
		return 42, nil
	},
	"Retries": func(ctx workflow.Context) (int32, error) {
		if attempt := workflow.GetInfo(ctx).Attempt; attempt < 3 {
			return 0, errors.New("not yet")
		}
		return workflow.GetInfo(ctx).Attempt, nil
	},
}

func (s *stack) enqueueOwn(ws uuid.UUID, options client.StartWorkflowOptions, kind string, args ...any) queue.Answer {
	s.t.Helper()
	answer, err := s.queue.EnqueueWorkflow(s.ctx, queue.Item{WorkspaceID: ws}, options, kind, args...)
	require.NoError(s.t, err)
	return answer
}

func TestAnyWorkflowIsAdmittedAndItsEndIsLearntWithoutItsHelp(t *testing.T) {
	s := newStack(t)
	ws := s.workspace("PRO")
	s.own("orders", ownTypes)
	s.run()

	completes := s.enqueueOwn(ws.ID, client.StartWorkflowOptions{ID: "order-4711", TaskQueue: "orders", Memo: map[string]any{"mine": 1}}, "Completes", map[string]int{"order": 4711}, "x")
	require.Equal(t, "order-4711", completes.WorkflowID)
	fails := s.enqueueOwn(ws.ID, client.StartWorkflowOptions{TaskQueue: "orders"}, "Fails")
	waits := s.enqueueOwn(ws.ID, client.StartWorkflowOptions{ID: "waits", TaskQueue: "orders"}, "Waits")
	terminated := s.enqueueOwn(ws.ID, client.StartWorkflowOptions{ID: "terminated", TaskQueue: "orders"}, "Waits")
	overruns := s.enqueueOwn(ws.ID, client.StartWorkflowOptions{TaskQueue: "orders", WorkflowExecutionTimeout: time.Second}, "Overruns")
	continues := s.enqueueOwn(ws.ID, client.StartWorkflowOptions{ID: "continues", TaskQueue: "orders"}, "Continues", 3)
	retries := s.enqueueOwn(ws.ID, client.StartWorkflowOptions{ID: "retries", TaskQueue: "orders",
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 5}}, "Retries")
	bySQL := s.enqueueSQL(ws.ID, `'Completes', 'orders', '[{"order": 5}, "sql"]', 'by-sql', '{"memo": {"a": 1}, "summary": "five", "taskTimeout": "5s"}'`)

	done := s.await(completes.QueueID, workflows.StatusCompleted)
	require.JSONEq(t, `{"order": 4711, "tag": "x"}`, string(done.Output))
	require.Equal(t, "order-4711", done.WorkflowID)
	require.Equal(t, "Completes", *done.WorkflowType)
	require.JSONEq(t, `{"message": "no stock"}`, string(s.await(fails.QueueID, workflows.StatusFailed).ExecutionError))
	s.await(waits.QueueID, "RUNNING")
	require.NoError(t, s.client.CancelWorkflow(s.ctx, "waits", ""))
	s.await(waits.QueueID, workflows.StatusCancelled)
	s.await(terminated.QueueID, "RUNNING")
	require.NoError(t, s.client.TerminateWorkflow(s.ctx, "terminated", "", "by hand"))
	require.JSONEq(t, `{"message": "terminated by sluice-test: by hand"}`, string(s.await(terminated.QueueID, workflows.StatusTerminated).ExecutionError))
	s.await(overruns.QueueID, workflows.StatusTimedOut)
	require.JSONEq(t, "42", string(s.await(continues.QueueID, workflows.StatusCompleted).Output))
	require.JSONEq(t, "3", string(s.await(retries.QueueID, workflows.StatusCompleted).Output))
	require.JSONEq(t, `{"order": 5, "tag": "sql"}`, string(s.await(bySQL, workflows.StatusCompleted).Output))

	described, err := s.client.DescribeWorkflowExecution(s.ctx, "order-4711", "")
	require.NoError(t, err)
	require.Contains(t, described.GetWorkflowExecutionInfo().GetMemo().GetFields(), "mine")
	require.Equal(t, ws.ID.String(), described.GetWorkflowExecutionInfo().GetPriority().GetFairnessKey())
}

// enqueueSQL enqueues as an application in another language does.
func (s *stack) enqueueSQL(ws uuid.UUID, arguments string) (id uuid.UUID) {
	s.t.Helper()
	var answer struct {
		QueueID uuid.UUID `json:"queueId"`
	}
	require.NoError(s.t, s.pool.QueryRow(s.ctx, "SELECT sluice.enqueue_workflow($1, "+arguments+")", ws).Scan(&answer))
	return answer.QueueID
}
