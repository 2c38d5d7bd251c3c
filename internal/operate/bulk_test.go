package operate_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/workflows"
)

func (s *system) dial(context.Context) (client.Client, error) { return s.client, nil }

func (s *system) choose(action admin.Action, f admin.Filter) admin.Selection {
	s.t.Helper()
	selected, err := admin.New(s.pool).Select(s.t.Context(), action, f)
	require.NoError(s.t, err)
	return selected
}

// closed returns how an execution's workflow has ended.
func (s *system) closed(id uuid.UUID) enumspb.WorkflowExecutionStatus {
	s.t.Helper()
	_ = s.client.GetWorkflow(s.t.Context(), workflows.ExecutionID(id), "").Get(s.t.Context(), nil)
	described, err := s.client.DescribeWorkflowExecution(s.t.Context(), workflows.ExecutionID(id), "")
	require.NoError(s.t, err)
	return described.GetWorkflowExecutionInfo().GetStatus()
}

func TestASelectionIsCancelledWhetherItWaitsOrRuns(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	other := s.enqueue(s.idle)
	selected := s.choose(admin.Cancel, admin.Filter{WorkspaceID: s.workspace})
	require.EqualValues(t, 3, selected.Total)
	ended, err := operate.EndSelected(t.Context(), s.pool, s.dial, selected, "ann", "mistake", nil)
	require.NoError(t, err)
	require.Equal(t, operate.EndedMany{Cancelled: 1, Asked: 2}, ended)
	for _, id := range s.running {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(id))
		require.Equal(t, id, s.id(`SELECT id FROM sluice.running WHERE id = $1 AND cancel_asked_at IS NOT NULL`, id))
		require.Equal(t, id, s.id(`SELECT queue_id FROM sluice.activity WHERE queue_id = $1 AND action = 'cancel-requested' AND actor = 'ann' AND reason = 'mistake'`, id))
	}
	require.Equal(t, s.waiting, s.id(`SELECT id FROM sluice.ended WHERE id = $1 AND status = 'CANCELLED' AND actor = 'ann'`, s.waiting))
	require.Equal(t, other, s.id(`SELECT id FROM sluice.pending`))
}

func TestASelectionIsTerminatedWhereItRuns(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ended, err := operate.EndSelected(t.Context(), s.pool, s.dial, s.choose(admin.Terminate, admin.Filter{}), "ann", "", nil)
	require.NoError(t, err)
	require.Equal(t, operate.EndedMany{Terminated: 2}, ended)
	for _, id := range s.running {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, s.closed(id))
		require.Equal(t, id, s.id(`SELECT queue_id FROM sluice.activity WHERE queue_id = $1 AND action = 'terminate-requested'`, id))
	}
	require.Equal(t, s.waiting, s.id(`SELECT id FROM sluice.pending`))
}

func TestWhatStartsInTheSlotsThatBecomeFreeIsNotOfTheSelection(t *testing.T) {
	t.Parallel()
	for action, want := range map[admin.Action]operate.EndedMany{admin.Terminate: {Terminated: 2}, admin.Cancel: {Asked: 2}} {
		s := newSystem(t)
		selected := s.choose(action, admin.Filter{Status: "RUNNING"})
		s.claim(s.waiting)
		s.dispatch(s.waiting, "run") // of no workflow, so asking it to end would have shown as unsettled
		ended, err := operate.EndSelected(t.Context(), s.pool, s.dial, selected, "ann", "", nil)
		require.NoError(t, err)
		require.Equal(t, want, ended)
		require.Equal(t, s.waiting, s.id(`SELECT id FROM sluice.running WHERE id = $1 AND NOT EXISTS (SELECT FROM sluice.activity WHERE queue_id = $1 AND action LIKE '%-requested')`, s.waiting))
	}
}

func TestWhoGoesOnWithASelectionLeavesAloneWhatHasStartedSince(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	first := s.choose(admin.Terminate, admin.Filter{})
	ended, err := operate.EndSelected(t.Context(), s.pool, s.dial, first, "ann", "", nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, ended.Terminated)
	s.end("TERMINATED", s.running...)
	s.claim(s.waiting)
	s.dispatch(s.waiting, s.start(workflows.ExecutionID(s.waiting), s.waiting).GetRunID())
	again := s.choose(admin.Terminate, admin.Filter{AsOf: first.Moment})
	require.Zero(t, again.Total)
	require.True(t, first.Moment.Equal(again.Moment))
	ended, err = operate.EndSelected(t.Context(), s.pool, s.dial, again, "ann", "", nil)
	require.NoError(t, err)
	require.Zero(t, ended)
	require.EqualValues(t, 1, s.choose(admin.Terminate, admin.Filter{}).Total)
}

// What a claim holds is neither cancelled nor listed as running: it is not done until that is known.
func TestWhatAClaimHoldsIsUnsettled(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	selected := s.choose(admin.Cancel, admin.Filter{IDs: []uuid.UUID{s.waiting}})
	claim, err := s.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = claim.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = claim.Exec(t.Context(), `SELECT FROM sluice.pending WHERE id = $1 FOR UPDATE`, s.waiting)
	require.NoError(t, err)
	ended, err := operate.EndSelected(t.Context(), s.pool, s.dial, selected, "ann", "", nil)
	require.NoError(t, err)
	require.Equal(t, operate.EndedMany{Unsettled: 1}, ended)
	require.NoError(t, claim.Rollback(t.Context()))
	s.claim(s.waiting)
	s.dispatch(s.waiting, s.start(workflows.ExecutionID(s.waiting), s.waiting).GetRunID())
	ended, err = operate.EndSelected(t.Context(), s.pool, s.dial, selected, "ann", "", nil)
	require.NoError(t, err)
	require.Equal(t, operate.EndedMany{Asked: 1}, ended)
}

func TestWhatWaitsIsCancelledWithoutTemporal(t *testing.T) {
	t.Parallel()
	s := &system{database: newDatabase(t)}
	workspace := s.newWorkspace("acme", "FREE")
	s.enqueue(workspace)
	down := errors.New("it is down")
	dial := func(context.Context) (client.Client, error) { return nil, down }
	ended, err := operate.EndSelected(t.Context(), s.pool, dial, s.choose(admin.Cancel, admin.Filter{}), "ann", "", nil)
	require.NoError(t, err)
	require.Equal(t, operate.EndedMany{Cancelled: 1}, ended)
	id := s.enqueue(workspace)
	s.claim(id)
	s.dispatch(id, "run")
	_, err = operate.EndSelected(t.Context(), s.pool, dial, s.choose(admin.Cancel, admin.Filter{}), "ann", "", nil)
	require.ErrorIs(t, err, down)
}
