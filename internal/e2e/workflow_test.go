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

func TestAWorkflowsIDMayHaveAnyCharactersThatCanBeSeen(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws := s.workspace("PRO")
	s.own("orders", ownTypes)
	s.run()
	const id = "Überweisung-注文-1"
	item := s.enqueueSQL(ws.ID, `'Waits', 'orders', '[]', '`+id+`'`)
	s.await(item, "RUNNING")
	require.NoError(t, s.client.TerminateWorkflow(s.ctx, id, "", "by hand"))
	require.Equal(t, id, s.await(item, workflows.StatusTerminated).WorkflowID)
}

// A caller may choose any id, and use it again; what waits for it is started when it is free, in its turn, and costs no attempt.
func TestAnIDThatIsInUseIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws := s.workspace("PRO")
	s.own("orders", ownTypes)
	s.run()
	stranger, err := s.client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: "order-1", TaskQueue: "orders"}, "Waits")
	require.NoError(t, err)
	first := s.enqueueSQL(ws.ID, `'Completes', 'orders', '[{"order": 1}, "first"]', 'order-1', '{"onConflict": "wait"}'`)
	second := s.enqueueSQL(ws.ID, `'Completes', 'orders', '[{"order": 2}, "second"]', 'order-1', '{"onConflict": "wait"}'`)
	impatient := s.enqueueSQL(ws.ID, `'Completes', 'orders', '[]', 'order-1'`)
	other := s.enqueueSQL(ws.ID, `'Completes', 'orders', '[{"order": 3}, "other"]'`)
	failed := s.await(impatient, "FAILED")
	require.Equal(t, "workflow-id-taken", *failed.Reason)
	s.await(other, workflows.StatusCompleted)
	s.awaitCount(2, `SELECT count(*) FROM sluice.queue_items WHERE status = 'PENDING' AND attempt_count = 0 AND error LIKE 'workflow-id-taken: workflow order-1 is open%'`)
	require.NoError(t, s.client.TerminateWorkflow(s.ctx, "order-1", stranger.GetRunID(), "done"))
	for _, id := range []uuid.UUID{first, second} {
		require.Zero(t, s.await(id, workflows.StatusCompleted).AttemptCount)
	}
	require.Zero(t, s.count(`SELECT count(*) FROM sluice.running`))
}

// What the server refuses for the item's own fault ends that item, with the server's reason, and no other.
func TestAWorkflowWithAnUnknownSearchAttributeEndsAlone(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws := s.workspace("FREE")
	s.own("orders", ownTypes)
	s.run()
	bad := s.enqueueSQL(ws.ID, `'Completes', 'orders', '[]', options => '{"searchAttributes": {"Customer": "acme"}}'`)
	fine := s.enqueueSQL(ws.ID, `'Completes', 'orders', '[{"order": 1}, "x"]'`)
	item := s.await(bad, "FAILED")
	require.Equal(t, "start-refused", *item.Reason)
	require.Contains(t, *item.Error, "Customer")
	s.await(fine, workflows.StatusCompleted)
}

// The code of a workflow may write what it likes into its own search attributes and memo.
func TestAWorkflowThatClaimsAnothersItemChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	victims, liars := s.workspace("FREE"), s.workspace("PRO")
	s.own("orders", map[string]any{
		"Waits": ownTypes["Waits"],
		"Lies": func(ctx workflow.Context, victim string) error {
			key := temporal.NewSearchAttributeKeyKeyword(workflows.AttributeQueueItem)
			if err := workflow.UpsertTypedSearchAttributes(ctx, key.ValueSet(victim)); err != nil {
				return err
			}
			return workflow.UpsertMemo(ctx, map[string]any{"sluiceItem": victim})
		},
	})
	s.run()
	running := s.enqueueOwn(victims.ID, client.StartWorkflowOptions{ID: "victim", TaskQueue: "orders"}, "Waits")
	s.await(running.QueueID, "RUNNING")
	later := s.enqueue(queue.Item{WorkspaceID: victims.ID, DefinitionID: s.definition(victims.ID, node{kind: "noop"}).ID, AvailableAt: time.Now().Add(time.Hour)})
	var lies []queue.Answer
	for _, victim := range []uuid.UUID{running.QueueID, later} {
		lies = append(lies, s.enqueueOwn(liars.ID, client.StartWorkflowOptions{TaskQueue: "orders"}, "Lies", victim.String()))
	}
	for _, lie := range lies {
		s.await(lie.QueueID, workflows.StatusCompleted)
	}
	s.age()
	s.recover()
	s.await(running.QueueID, "RUNNING")
	s.await(later, "PENDING")
	require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.running`))
}
