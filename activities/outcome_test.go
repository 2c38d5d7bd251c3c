package activities

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"sluice/workflows"
)

// testRun is the run of every workflow of the test suite.
const testRun = "default-test-run-id"

// hold puts an item into running, as a claim and its start leave it, and returns its id and its workspace's.
func hold(t *testing.T, a *Activities) (id, workspace uuid.UUID) {
	t.Helper()
	err := a.pool.QueryRow(t.Context(), `
		WITH w AS (INSERT INTO sluice.workspaces (name) VALUES ('acme') RETURNING id),
		d AS (INSERT INTO sluice.workflow_definitions (workspace_id, name) SELECT id, 'greet' FROM w RETURNING id, workspace_id)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at,
			dispatched_at, trigger_type, enqueued_by, engine_run_id, input)
		SELECT sluice.uuid_v7(), workspace_id, id, 3, 0, 1, now(), now(), now(), now(), 'FUNCTION', 'ann', $1, '{}' FROM d RETURNING id, workspace_id`, testRun).
		Scan(&id, &workspace)
	require.NoError(t, err)
	return id, workspace
}

// as runs a workflow of an id and a type: the code of Execution, or the one given.
func as(t *testing.T, a *Activities, workflowID, kind string, code, argument any) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := newWorkflowEnvironment(&suite)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: workflowID, TaskQueue: "q"})
	env.RegisterWorkflowWithOptions(code, workflow.RegisterOptions{Name: kind})
	env.RegisterActivityWithOptions(a.RecordOutcome, activity.RegisterOptions{Name: workflows.ActivityRecordOutcome})
	env.ExecuteWorkflow(kind, argument)
	return env
}

func (a *Activities) statuses(t *testing.T) (held, ended int) {
	t.Helper()
	require.NoError(t, a.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM sluice.running), (SELECT count(*) FROM sluice.ended)`).Scan(&held, &ended))
	return held, ended
}

// reports records the outcome it is given, as any workflow could, by a local activity or a regular one.
func reports(local bool) func(workflow.Context, workflows.Outcome) error {
	return func(ctx workflow.Context, o workflows.Outcome) error {
		retry := &temporal.RetryPolicy{MaximumAttempts: 2}
		if local {
			ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{ScheduleToCloseTimeout: 1e11, RetryPolicy: retry})
			return workflow.ExecuteLocalActivity(ctx, workflows.ActivityRecordOutcome, o).Get(ctx, nil)
		}
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 1e11, RetryPolicy: retry})
		return workflow.ExecuteActivity(ctx, workflows.ActivityRecordOutcome, o).Get(ctx, nil)
	}
}

func TestAnOutcomeCountsOnlyFromTheExecutionsOwnWorkflow(t *testing.T) {
	t.Parallel()
	a := New(Config{Pool: database(t)})
	victim, workspace := hold(t, a)
	id := workflows.ExecutionID(victim)
	input := workflows.ExecutionInput{ExecutionID: victim, WorkspaceID: workspace, Input: []byte(`{}`)}
	for _, other := range []string{"by-hand", id + "/" + uuid.NewString(), "Execution-" + victim.String(), workflows.ExecutionID(uuid.New()), id + " "} {
		env := as(t, a, other, workflows.ExecutionType, workflows.Execution, input)
		require.NoError(t, env.GetWorkflowError(), "its own nodes did complete")
		for local, why := range map[bool]string{true: "workflow " + other + " is not that of execution " + victim.String(), false: "not of Sluice itself"} {
			env := as(t, a, other, workflows.ExecutionType, reports(local), workflows.Outcome{ExecutionID: victim, RunID: "a run", Status: workflows.StatusCompleted})
			require.ErrorContains(t, env.GetWorkflowError(), why)
		}
		held, ended := a.statuses(t)
		require.Equal(t, [2]int{1, 0}, [2]int{held, ended}, "it still holds its slot")
	}
	as(t, a, id, workflows.ExecutionType, workflows.Execution, input)
	held, ended := a.statuses(t)
	require.Equal(t, [2]int{0, 1}, [2]int{held, ended})
}

// Which run has ended is Temporal's to say: a repaired record compares runs.
func TestAnOutcomeIsOfTheRunThatReportsIt(t *testing.T) {
	t.Parallel()
	a := New(Config{Pool: database(t)})
	id, _ := hold(t, a)
	env := as(t, a, workflows.ExecutionID(id), workflows.ExecutionType, reports(true), workflows.Outcome{ExecutionID: id, RunID: "made up", Status: workflows.StatusCompleted})
	require.NoError(t, env.GetWorkflowError())
	var run string
	require.NoError(t, a.pool.QueryRow(t.Context(), `SELECT engine_run_id FROM sluice.ended WHERE id = $1`, id).Scan(&run))
	require.NotEqual(t, "made up", run)
	require.NotEmpty(t, run)
}

// A workflow of a caller's own that could say it has ended would run on without a slot.
func TestNoWorkflowOfACallersOwnRecordsItsEnd(t *testing.T) {
	t.Parallel()
	a := New(Config{Pool: database(t)})
	id, _ := hold(t, a)
	o := workflows.Outcome{ExecutionID: id, Status: workflows.StatusCompleted}
	for _, env := range []*testsuite.TestWorkflowEnvironment{
		as(t, a, workflows.ExecutionID(id), "Theirs", reports(true), o),
		as(t, a, workflows.ExecutionID(id), "Theirs", reports(false), o),
		as(t, a, workflows.ExecutionID(id), workflows.ExecutionType, reports(false), o), // theirs too, on a task queue of theirs
	} {
		require.ErrorContains(t, env.GetWorkflowError(), "may not call activity RecordOutcome of Sluice")
	}
	held, ended := a.statuses(t)
	require.Equal(t, [2]int{1, 0}, [2]int{held, ended}, "it still holds its slot")
}
