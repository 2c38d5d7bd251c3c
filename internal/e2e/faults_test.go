package e2e

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/workflows"
)

const forAnHour = `{"duration":"1h"}`

// recover runs one recovery pass.
func (s *stack) recover() workflows.RecoveryReport {
	s.t.Helper()
	return s.recoverWith(workflows.RecoveryRequest{})
}

// onRecovery are the options of a recovery beside the scheduled one.
func onRecovery() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: workflows.RecoveryID + "-" + uuid.NewString(), TaskQueue: workflows.TaskQueueDefault}
}

// recoverWith runs recovery to its end, as the schedule does every minute.
func (s *stack) recoverWith(request workflows.RecoveryRequest) workflows.RecoveryReport {
	s.t.Helper()
	run, err := s.client.ExecuteWorkflow(s.ctx, onRecovery(), workflows.RecoveryType, request)
	require.NoError(s.t, err)
	var report workflows.RecoveryReport
	require.NoError(s.t, run.Get(s.ctx, &report))
	return report
}

// age makes slots, and claims that were not started, old enough for recovery to look at them.
func (s *stack) age() {
	s.t.Helper()
	_, err := s.pool.Exec(s.ctx, `UPDATE sluice.running SET checked_at = now() - interval '1 hour',
		claimed_at = CASE WHEN dispatched_at IS NULL THEN now() - interval '1 hour' ELSE claimed_at END`)
	require.NoError(s.t, err)
}

func TestRecoveryFreesTheSlotsOfWorkflowsThatCannot(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "delay", config: forAnHour})
	var ids []uuid.UUID
	for range 4 {
		ids = append(ids, s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}))
	}
	terminated, cancelled, deleted, open := ids[0], ids[1], ids[2], ids[3]
	s.awaitCount(4, `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`)

	require.NoError(t, s.client.TerminateWorkflow(s.ctx, workflows.ExecutionID(terminated), "", "by hand"))
	require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(cancelled)))
	_, err := s.client.WorkflowService().DeleteWorkflowExecution(s.ctx, &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: s.namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflows.ExecutionID(deleted)}})
	require.NoError(t, err)
	s.await(cancelled, workflows.StatusCancelled) // records its own outcome
	require.Eventually(t, func() bool {
		_, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(deleted), "")
		return err != nil
	}, patience, 50*time.Millisecond)

	s.age()
	s.recover() // unless the schedule's was faster
	require.JSONEq(t, `{"message": "terminated by sluice-test: by hand"}`, string(s.await(terminated, workflows.StatusTerminated).ExecutionError))
	require.Contains(t, string(s.await(deleted, workflows.StatusTerminated).ExecutionError), "missing in Temporal")
	require.Equal(t, "RUNNING", *s.await(open, "RUNNING").ExecutionStatus, "a slot that is rightly held is kept")
	require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.running`))
	require.Equal(t, 2, s.count(`SELECT count(*) FROM sluice.activity WHERE action = 'recovered'`))
	s.audit()
}

func TestATimedOutExecutionFreesItsSlot(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	ws := s.workspace("FREE")
	d, err := s.admin.ApplyDefinition(s.ctx, ws.ID, []byte(`{"name":"slow","timeout":"1s","nodes":[{"id":"`+uuid.NewString()+`","type":"delay","config":`+forAnHour+`}]}`), "test")
	require.NoError(t, err)
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: d.ID})
	s.await(id, "RUNNING")
	require.Error(t, s.client.GetWorkflow(s.ctx, workflows.ExecutionID(id), "").Get(s.ctx, nil))
	s.age()
	s.recover()
	s.await(id, workflows.StatusTimedOut)
	s.audit()
}

// A dispatcher that died between claim and start, and is not coming back: recovery puts the claim back.
func TestAStaleClaimGoesBackToTheQueueOrIsSettled(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(nil)
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})
	lost := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	startedUnnoticed := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	s.claimAs(0, "a run that died")
	_, err := s.client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: workflows.ExecutionID(startedUnnoticed),
		TaskQueue: "not served", TypedSearchAttributes: workflows.ExecutionAttributes(ws.ID, "PRO", "any", startedUnnoticed)}, workflows.ExecutionType)
	require.NoError(t, err)

	s.age()
	report := s.recover()
	require.EqualValues(t, 1, report.Released)
	require.EqualValues(t, 1, report.Settled)
	item := s.await(lost, "PENDING")
	require.Zero(t, item.AttemptCount, "no attempt is counted")
	require.Equal(t, "RUNNING", *s.await(startedUnnoticed, "RUNNING").ExecutionStatus)
	s.audit()
}

func TestARestartedDispatcherTakesUpWhatItsPredecessorClaimed(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	run, engine := s.claimAs(0, "a run that died")
	s.run()
	s.await(id, workflows.StatusCompleted)
	_, err := engine.Plan(s.ctx, run, 1)
	require.ErrorIs(t, err, store.ErrFenced, "the dead run can claim no more")
	s.audit()
}

func TestStartsThatCannotSucceedFailWithTheirReason(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws, other := s.workspace("PRO"), s.workspace("PRO")
	noop := node{kind: "noop"}
	enqueue := func(d admin.Definition) uuid.UUID {
		return s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: d.ID})
	}
	exec := func(sql string, args ...any) {
		_, err := s.pool.Exec(s.ctx, sql, args...)
		require.NoError(t, err)
	}
	want := map[uuid.UUID]string{}

	gone := s.definition(ws.ID, noop)
	want[enqueue(gone)] = "definition-gone"
	exec(`DELETE FROM sluice.workflow_definitions WHERE id = $1`, gone.ID)

	versionless := s.definition(ws.ID, noop)
	want[enqueue(versionless)] = "version-gone"
	exec(`DELETE FROM sluice.workflow_definition_versions WHERE workflow_definition_id = $1`, versionless.ID)

	broken := s.definition(ws.ID, noop)
	want[enqueue(broken)] = "invalid-definition"
	exec(`INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 2, '{"nodes": [{"id": "x"}]}')`, broken.ID)
	exec(`UPDATE sluice.workflow_definitions SET version_number = 2 WHERE id = $1`, broken.ID)

	moved := s.definition(ws.ID, noop) // the definition changed hands after the enqueue
	want[enqueue(moved)] = "definition-gone"
	exec(`UPDATE sluice.workflow_definitions SET workspace_id = $2 WHERE id = $1`, moved.ID, other.ID)

	taken := enqueue(s.definition(ws.ID, noop)) // it waits
	_, err := s.client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: workflows.ExecutionID(taken), TaskQueue: "elsewhere"}, "Another")
	require.NoError(t, err)

	fine := enqueue(s.definition(ws.ID, noop))
	s.run()
	s.await(fine, workflows.StatusCompleted)
	for id, reason := range want {
		item := s.await(id, "FAILED")
		require.Contains(t, *item.Error, reason)
		require.Nil(t, item.ExecutionID, "it never ran")
	}
	s.awaitCount(1, `SELECT count(*) FROM sluice.queue_items WHERE id = $1 AND status = 'PENDING' AND error LIKE 'workflow-id-taken: % was not started for this item%'`, taken)
	require.NoError(t, s.client.TerminateWorkflow(s.ctx, workflows.ExecutionID(taken), "", "end of test"))
	require.Zero(t, s.await(taken, workflows.StatusCompleted).AttemptCount)
	s.audit()
}
