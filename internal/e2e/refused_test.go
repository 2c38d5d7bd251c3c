package e2e

import (
	"strings"
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

// asks runs a command of each kind that the server refuses.
func asks(ctx workflow.Context, what string) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, TaskQueue: "nobody"})
	policy := &temporal.RetryPolicy{MaximumInterval: 500 * time.Millisecond}
	switch what {
	case "activity interval":
		return workflow.ExecuteActivity(workflow.WithRetryPolicy(ctx, *policy), "A").Get(ctx, nil)
	case "activity overflow":
		return workflow.ExecuteActivity(workflow.WithRetryPolicy(ctx, temporal.RetryPolicy{InitialInterval: 2562047 * time.Hour}), "A").Get(ctx, nil)
	case "child interval":
		ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{RetryPolicy: policy})
		return workflow.ExecuteChildWorkflow(ctx, "B").Get(ctx, nil)
	case "child queue":
		ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{TaskQueue: "/_sys/x"})
		return workflow.ExecuteChildWorkflow(ctx, "B").Get(ctx, nil)
	case "child type":
		return workflow.ExecuteChildWorkflow(ctx, strings.Repeat("B", 1001)).Get(ctx, nil)
	}
	return workflow.Sleep(ctx, time.Hour)
}

// reasons are the server's.
var reasons = map[string]string{
	"activity interval": "MaximumInterval", "activity overflow": "", "child interval": "MaximumInterval", "child queue": "/_sys/", "child type": "exceeds length limit",
}

// What the server refuses cannot be asked for again: the execution ends, with the server's reason, and its slot is free. A workflow of an
// application's own is left for its workers to mend.
func TestWhatTheServerRefusesEndsTheExecution(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})
	w := worker.New(s.client, workflows.WorkspaceTaskQueue(ws.ID), worker.Options{})
	w.RegisterWorkflowWithOptions(asks, workflow.RegisterOptions{Name: workflows.ExecutionType})
	w.RegisterWorkflowWithOptions(asks, workflow.RegisterOptions{Name: "Own"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	kinds := map[uuid.UUID]string{}
	for _, kind := range []string{"activity interval", "activity overflow", "child interval", "child queue", "child type", "nothing"} {
		kinds[s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})] = kind
	}
	own := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	kinds[own] = "child type"
	s.claimAs(0, "a run")
	for id, kind := range kinds {
		name := workflows.ExecutionType
		if id == own {
			name = "Own"
		}
		run, err := s.client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: workflows.ExecutionID(id), TaskQueue: workflows.WorkspaceTaskQueue(ws.ID)}, name, kind)
		require.NoError(t, err)
		_, err = s.pool.Exec(s.ctx, `UPDATE sluice.running SET dispatched_at = now(), engine_run_id = $2 WHERE id = $1`, id, run.GetRunID())
		require.NoError(t, err)
	}
	kinds[own] = "nothing"
	for id, kind := range kinds {
		if kind == "nothing" {
			continue
		}
		var refused *temporal.ApplicationError
		require.ErrorAs(t, s.client.GetWorkflow(s.ctx, workflows.ExecutionID(id), "").Get(s.ctx, nil), &refused, kind)
		require.Contains(t, refused.Error(), "Temporal refused what the execution asked for: ", kind)
		require.Contains(t, refused.Error(), reasons[kind])
	}
	// What has closed without a word is recorded as it closed, by recovery.
	s.host(nil)
	s.age()
	s.recover()
	for id, kind := range kinds {
		if kind == "nothing" {
			require.Equal(t, "RUNNING", *s.await(id, "RUNNING").ExecutionStatus)
			continue
		}
		s.await(id, workflows.StatusFailed)
		require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.executions WHERE id = $1 AND error ->> 'message' LIKE '%' || $2 || '%'`, id, reasons[kind]), kind)
	}
	require.Equal(t, 2, s.count(`SELECT count(*) FROM sluice.running`))
}
