package operate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/operate"
	"sluice/workflows"
)

// What runs ends whether anybody serves it or not: one execution is cancelled by its worker, nobody takes the workflow task of
// another, the workflow of a third is gone, and a fourth was claimed and never started.
func TestADeletedWorkspaceEndsWhatRuns(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	unserved, gone, unstarted := s.enqueue(s.workspace), s.enqueue(s.workspace), s.enqueue(s.workspace)
	s.claim(unserved, gone, unstarted)
	run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: workflows.ExecutionID(unserved), TaskQueue: "nobody",
		TypedSearchAttributes: workflows.ExecutionAttributes(s.workspace, "FREE", "x", unserved)}, workflows.ExecutionType)
	require.NoError(t, err)
	s.dispatch(unserved, run.GetRunID())
	s.dispatch(gone, "a run that was deleted")
	other := s.enqueue(s.idle)

	deleted, err := operate.DeleteWorkspace(t.Context(), s.pool, func(context.Context) (client.Client, error) { return s.client, nil }, s.workspace, actor, time.Second)
	require.NoError(t, err)
	require.Equal(t, 5, deleted.Running)
	require.GreaterOrEqual(t, deleted.Terminated, 1)
	require.EqualValues(t, 1, deleted.Pending)
	for _, id := range append(s.running, unserved) {
		described, err := s.client.DescribeWorkflowExecution(t.Context(), workflows.ExecutionID(id), "")
		require.NoError(t, err)
		require.NotNil(t, described.GetWorkflowExecutionInfo().GetCloseTime(), "it is over")
	}
	var rows int
	require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM sluice.running) + (SELECT count(*) FROM sluice.ended)`).Scan(&rows))
	require.Zero(t, rows)
	require.Equal(t, other, s.id(`SELECT id FROM sluice.pending`), "of the others nothing is touched")
}

// An execution is asked to cancel before it is terminated, however long it takes to delete what has ended, and also if it starts meanwhile.
func TestWhatRunsIsAskedToCancelBeforeItIsTerminated(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	dial := func(context.Context) (client.Client, error) { return s.client, nil }
	_, err := operate.DeleteWorkspace(t.Context(), s.pool, dial, s.workspace, actor, time.Nanosecond)
	require.NoError(t, err)
	for _, id := range s.running {
		history := s.client.GetWorkflowHistory(t.Context(), workflows.ExecutionID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		asked := false
		for history.HasNext() {
			event, err := history.Next()
			require.NoError(t, err)
			asked = asked || event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
		}
		require.True(t, asked)
	}

	late := newSystem(t)
	late.claim(late.waiting)
	deleted := make(chan operate.Deleted, 1)
	go func() {
		d, err := operate.DeleteWorkspace(context.WithoutCancel(t.Context()), late.pool, func(context.Context) (client.Client, error) { return late.client, nil }, late.workspace, actor, time.Minute)
		assert.NoError(t, err)
		deleted <- d
	}()
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, late.closed(late.running[0]), "it has looked at all that holds a slot")
	late.dispatch(late.waiting, late.start(workflows.ExecutionID(late.waiting), late.waiting).GetRunID())
	require.Zero(t, (<-deleted).Terminated)
}

// A workspace that an enqueue creates again under the same id is not deleted with the first one.
func TestAWorkspaceThatIsBackIsNotDeletedAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.exec(`UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	var item uuid.UUID
	_, err := operate.DeleteWorkspace(t.Context(), s.pool, func(context.Context) (client.Client, error) {
		item = s.id(`SELECT (sluice.enqueue_workflow($1::uuid, 'Any') ->> 'queueId')::uuid`, s.workspace) // between two looks
		return s.client, nil
	}, s.workspace, actor, time.Minute)
	require.ErrorIs(t, err, operate.ErrRefused)
	require.ErrorContains(t, err, "created workspace "+s.workspace.String()+" again")
	require.Equal(t, item, s.id(`SELECT id FROM sluice.pending WHERE workspace_id = $1`, s.workspace))
}

// Temporal is needed for what runs only, and an error says what is left to do.
func TestADeletionWithoutTemporal(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	away := func(context.Context) (client.Client, error) { return nil, errors.New("nobody there") }
	idle, busy := d.newWorkspace("idle", "FREE"), d.newWorkspace("busy", "FREE")
	d.enqueue(idle)
	d.claim(d.enqueue(busy))
	deleted, err := operate.DeleteWorkspace(t.Context(), d.pool, away, idle, actor, time.Second)
	require.NoError(t, err)
	require.EqualValues(t, 1, deleted.Pending)
	_, err = operate.DeleteWorkspace(t.Context(), d.pool, away, busy, actor, time.Second)
	require.ErrorContains(t, err, "run this again with its id, "+busy.String(), "its key went with its row")
}

func TestADrainedWorkspaceIsDeletedWithoutEndingAnything(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	workspace := d.newWorkspace("acme", "FREE")
	running, waiting := d.enqueue(workspace), d.enqueue(workspace)
	d.claim(running)
	var told []int
	require.NoError(t, operate.Drain(t.Context(), d.pool, workspace, actor, func(n int) {
		told = append(told, n)
		require.Equal(t, workspace, d.id(`SELECT workspace_id FROM sluice.pauses WHERE actor = $1`, actor))
		d.end("COMPLETED", running)
	}))
	require.Equal(t, []int{1}, told)
	require.Equal(t, waiting, d.id(`SELECT id FROM sluice.pending`), "it is left to the deletion")
	never := func(context.Context) (client.Client, error) { return nil, errors.New("nothing runs") }
	deleted, err := operate.DeleteWorkspace(t.Context(), d.pool, never, workspace, actor, time.Second)
	require.NoError(t, err)
	require.Equal(t, operate.Deleted{WorkspaceID: workspace, Pending: 1, Ended: 1}, deleted)

	busy := d.newWorkspace("busy", "FREE")
	d.claim(d.enqueue(busy))
	ctx, stop := context.WithCancel(t.Context())
	err = operate.Drain(ctx, d.pool, busy, actor, func(int) { stop() })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "it stays paused")
}
