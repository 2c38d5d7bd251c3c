package operate_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/audit"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/workflows"
)

// own makes an item that is a workflow of its caller's own and runs; an empty id is that which it gets by itself.
func (s *system) own(workflowID string) (uuid.UUID, client.WorkflowRun) {
	s.t.Helper()
	id := s.id(`SELECT (sluice.enqueue_workflow($1, 'Own', 'nobody', workflow_id => $2) ->> 'queueId')::uuid`, s.idle, workflowID)
	if workflowID == "" {
		workflowID = workflows.ExecutionID(id)
	}
	run := s.startOwn(workflowID, &id)
	s.claim(id)
	s.dispatch(id, run.GetRunID())
	return id, run
}

// startOwn starts a workflow that nobody carries on; without an item it is a stranger's.
func (s *system) startOwn(workflowID string, item *uuid.UUID) client.WorkflowRun {
	s.t.Helper()
	o := client.StartWorkflowOptions{ID: workflowID, TaskQueue: "nobody"}
	if item != nil {
		o.TypedSearchAttributes = workflows.ExecutionAttributes(s.idle, "FREE", "x", *item)
	}
	run, err := s.client.ExecuteWorkflow(s.t.Context(), o, "Own")
	require.NoError(s.t, err)
	return run
}

func (s *system) known(id uuid.UUID) store.Known {
	s.t.Helper()
	known, err := store.WorkflowsOf(s.t.Context(), s.pool, []uuid.UUID{id})
	require.NoError(s.t, err)
	return known[id]
}

func (s *system) open(run client.WorkflowRun) bool {
	s.t.Helper()
	described, err := s.client.DescribeWorkflowExecution(s.t.Context(), run.GetID(), run.GetRunID())
	require.NoError(s.t, err)
	return described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// Its id may be another's before and afterwards.
func TestOnlyTheItemsOwnWorkflowIsEnded(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	id, run := s.own("order-1")
	plain, _ := s.own("")
	require.NoError(t, operate.Cancel(t.Context(), s.client, s.known(id)))
	require.NoError(t, operate.Terminate(t.Context(), s.client, s.known(id), "by hand"))
	require.False(t, s.open(run))
	stranger := s.startOwn("order-1", nil)
	require.ErrorIs(t, operate.Cancel(t.Context(), s.client, s.known(id)), operate.ErrNotOpen)
	require.ErrorIs(t, operate.Terminate(t.Context(), s.client, s.known(id), "by hand"), operate.ErrNotOpen)
	awaited, err := operate.Awaited(t.Context(), s.client, s.known(id))
	require.NoError(t, err)
	require.Empty(t, awaited, "what another's waits for is its own")
	require.NoError(t, operate.Terminate(t.Context(), s.client, s.known(plain), "by hand"))

	deleted, err := operate.DeleteWorkspace(t.Context(), s.pool, func(context.Context) (client.Client, error) { return s.client, nil }, s.idle, actor, 0)
	require.NoError(t, err)
	require.Equal(t, 2, deleted.Running)
	require.Zero(t, deleted.Terminated, "both were closed")
	require.True(t, s.open(stranger))
	for events := s.client.GetWorkflowHistory(t.Context(), "order-1", stranger.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		require.NoError(t, err)
		require.NotEqual(t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, event.GetEventType())
	}
}

func TestAWorkflowOfOnesOwnThatIsCancelledHasNoTimeAtWhichItIsTerminated(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	id, _ := s.own("")
	result, err := operate.CancelItem(t.Context(), s.pool, s.dial, id, operate.Cancellation{Actor: actor})
	require.NoError(t, err)
	require.Equal(t, "CANCEL_REQUESTED", result.Status)
	require.NotNil(t, result.AskedAt)
	require.Nil(t, result.TerminatedAt)
	require.Contains(t, result.Message, "it is terminated only if no worker carries it on for 45 s; it waits for a worker on task queue nobody")
}

func TestADeletedWorkspaceEndsWorkflowsOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	_, first := s.own("order-1")
	_, second := s.own("")
	deleted, err := operate.DeleteWorkspace(t.Context(), s.pool, func(context.Context) (client.Client, error) { return s.client, nil }, s.idle, actor, 500*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, 2, deleted.Terminated)
	require.False(t, s.open(first))
	require.False(t, s.open(second))
}

func TestAuditOfWorkflowsOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	id, run := s.own("order-1")
	plain, plainRun := s.own("")
	s.startOwn("a child that took the attributes over", &id)
	s.awaitListed(5)
	report := s.audit()
	require.Zero(t, report.Violations(), "a user's workflow is no stray: %+v", report.Findings)
	require.True(t, report.Complete())
	require.EqualValues(t, 4, report.Of(audit.Slot).Checked)

	require.NoError(t, s.client.TerminateWorkflow(t.Context(), "order-1", run.GetRunID(), "by hand"))
	s.startOwn("order-1", nil)
	s.end("COMPLETED", plain)
	report = s.audit()
	require.Equal(t, []audit.Breach{{ID: plain, What: "its workflow is open, but it is COMPLETED"}}, report.Of(audit.Place).Offenders)
	slots := map[uuid.UUID]string{}
	for _, b := range report.Of(audit.Slot).Offenders {
		slots[b.ID] = b.What
	}
	require.Equal(t, map[uuid.UUID]string{id: "it holds a slot, but its workflow is closed", plain: "its workflow is open, but it holds no slot"}, slots)
	require.True(t, s.open(plainRun))
}

// A request that is stored with the item is its input.
func TestAuditMissesNoInputOfARequest(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	id := s.id(`SELECT (sluice.enqueue_workflow($1, 'Own', 'nobody', request => '\x') ->> 'queueId')::uuid`, s.idle)
	require.Empty(t, s.audit().Of(audit.Place).Offenders)
	s.exec(`UPDATE sluice.pending SET request = NULL WHERE id = $1`, id)
	require.Equal(t, []audit.Breach{{ID: id, What: "it is pending, and its input is lost"}}, s.audit().Of(audit.Place).Offenders)
}
