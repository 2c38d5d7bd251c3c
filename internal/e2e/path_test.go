package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

func TestAnExecutionGoesFromEnqueueToOutcome(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"method": r.Method, "key": r.Header.Get("Idempotency-Key")})
	}))
	defer api.Close()
	s := newStack(t)
	s.host(func(c *host.Config) {
		c.RegisterWorkflows = func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(func(_ workflow.Context, in map[string]any) (map[string]any, error) {
				return map[string]any{"seen": in["order"]}, nil
			}, workflow.RegisterOptions{Name: "Invoice"})
		}
	})
	s.dispatch(workflows.State{})
	ws := s.workspace("PRO")
	def := s.definition(ws.ID,
		node{kind: "noop"},
		node{kind: "http", config: `{"url":"` + api.URL + `","method":"POST"}`, needs: []int{0}},
		node{kind: "delay", config: `{"duration":"50ms"}`, needs: []int{0}},
		node{kind: "workflow", config: `{"workflowType":"Invoice"}`, needs: []int{1, 2}})
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID, Input: json.RawMessage(`{"order":7}`), Priority: 2, EnqueuedBy: "shop"})
	item := s.await(id, workflows.StatusCompleted)

	require.Equal(t, "DISPATCHED", item.Status)
	require.Equal(t, id, *item.ExecutionID)
	var outputs map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(item.Output, &outputs))
	require.Len(t, outputs, 2, "the http node's and the child's: %s", item.Output)
	require.Contains(t, string(item.Output), `"seen": 7`)

	// The outcome is recorded in the workflow's last task, a moment before it closes.
	require.NoError(t, s.client.GetWorkflow(s.ctx, workflows.ExecutionID(id), "").Get(s.ctx, nil))
	described, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(id), "")
	require.NoError(t, err)
	info := described.WorkflowExecutionInfo
	require.Equal(t, workflows.WorkspaceTaskQueue(ws.ID), info.TaskQueue)
	require.Equal(t, *item.EngineRunID, info.Execution.RunId)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, info.Status)
	require.EqualValues(t, 2, info.Priority.PriorityKey)
	require.Equal(t, ws.ID.String(), info.Priority.FairnessKey)
	calls := 0
	for events := s.client.GetWorkflowHistory(s.ctx, workflows.ExecutionID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		require.NoError(t, err)
		if call := event.GetActivityTaskScheduledEventAttributes(); call != nil {
			calls++
			require.EqualValues(t, 3, call.GetPriority().GetPriorityKey(), "calls of all workspaces share a task queue: no item's priority counts there")
		}
	}
	require.Equal(t, 1, calls)
	require.EqualValues(t, 4, info.Priority.FairnessWeight, "the weight of PRO")
	for name, want := range map[string]string{workflows.AttributeWorkspace: ws.ID.String(), workflows.AttributePlan: "PRO",
		workflows.AttributeDefinition: def.Name, workflows.AttributeQueueItem: id.String()} {
		var got string
		require.NoError(t, converter.GetDefaultDataConverter().FromPayload(info.SearchAttributes.IndexedFields[name], &got), name)
		require.Equal(t, want, got, name)
	}
	var summary, name string
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(described.ExecutionConfig.UserMetadata.Summary, &summary))
	require.Equal(t, def.Name+" v1 for "+ws.Name+" (PRO)", summary)
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(info.Memo.Fields["workspace"], &name))
	require.Equal(t, ws.Name, name)

	story, err := facts.ItemActivity[facts.Activity](s.ctx, s.pool, id)
	require.NoError(t, err)
	var actions []string
	for _, a := range story {
		actions = append(actions, a.Actor+" "+a.Action)
	}
	require.Equal(t, []string{"shop enqueued", "dispatcher claimed", "dispatcher dispatched", "execution completed"}, actions)
	s.audit()
}

func TestTheSQLFunctionAndTransactionsEnqueueToo(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	ws := s.workspace("FREE")
	def := s.definition(ws.ID, node{kind: "noop"})

	var answer queue.Answer
	require.NoError(t, s.pool.QueryRow(s.ctx, `SELECT sluice.enqueue(workspace_id => $1, definition_id => $2, input => '{"a": 1}')`, ws.ID, def.ID).Scan(&answer))
	require.Equal(t, "QUEUED", answer.Status)
	s.await(answer.QueueID, workflows.StatusCompleted)

	var kept, dropped uuid.UUID
	inTx := func(id *uuid.UUID, end func(pgx.Tx) error) {
		tx, err := s.pool.Begin(s.ctx)
		require.NoError(t, err)
		a, err := s.queue.EnqueueTx(s.ctx, tx, queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
		require.NoError(t, err)
		*id = a.QueueID
		require.NoError(t, end(tx))
	}
	inTx(&dropped, func(tx pgx.Tx) error { return tx.Rollback(s.ctx) })
	inTx(&kept, func(tx pgx.Tx) error { return tx.Commit(s.ctx) })
	s.await(kept, workflows.StatusCompleted)
	_, err := s.queue.Get(s.ctx, dropped)
	require.ErrorIs(t, err, queue.ErrUnknownItem)
}

func TestScheduledItemsStartOnTimeAndExpiredOnesNever(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws := s.workspace("FREE")
	def := s.definition(ws.ID, node{kind: "noop"})
	due := time.Now().Add(4 * time.Second) // longer than a spin: the dispatcher waits outside its workflow task until then
	scheduled := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID, AvailableAt: due})
	expired := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID, ExpiresAt: time.Now().Add(time.Hour)})
	_, err := s.pool.Exec(s.ctx, `UPDATE sluice.pending SET expires_at = now() WHERE id = $1`, expired) // the hour is over
	require.NoError(t, err)
	s.run()
	require.Equal(t, "expired", *s.await(expired, "EXPIRED").Error)
	item := s.await(scheduled, workflows.StatusCompleted)
	require.False(t, item.ClaimedAt.Before(due.Truncate(time.Microsecond)), "never before its time")
	// A wait that did not know of it would end by itself, after ten minutes; a busy machine takes its seconds.
	require.Less(t, item.ClaimedAt.Sub(due), time.Minute)
}
