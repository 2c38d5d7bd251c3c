package activities

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/testsuite"

	"sluice/internal/store"
	"sluice/workflows"
)

// awaiting runs AwaitWork for a run of shard 0 until it returns.
func awaiting(t *testing.T, a *Activities, run int64) chan workflows.AwaitResult {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a.AwaitWork)
	returned := make(chan workflows.AwaitResult, 1)
	go func() {
		var result workflows.AwaitResult
		value, err := env.ExecuteActivity(a.AwaitWork, workflows.AwaitRequest{Run: run, BatchSize: 10, Poll: workflows.Duration(time.Second), Parallelism: 4})
		if err == nil && value.Get(&result) == nil {
			returned <- result
		}
		close(returned)
	}()
	return returned
}

// listening waits until the dispatcher of shard 0 listens.
func listening(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	require.Eventually(t, func() bool {
		var there bool
		return pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM sluice.listeners)`).Scan(&there) == nil && there
	}, 30*time.Second, time.Millisecond)
}

func TestAwaitWorkStartsWhatArrives(t *testing.T) {
	t.Parallel()
	pool := database(t)
	var workspace, definition, item uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), `INSERT INTO sluice.workspaces (name, plan) VALUES ('acme', 'PRO') RETURNING id`).Scan(&workspace))
	require.NoError(t, pool.QueryRow(t.Context(), `
		WITH d AS (INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id)
		INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow)
		SELECT id, 1, '{"nodes":[{"id":"00000000-0000-0000-0000-000000000007","type":"noop"}]}' FROM d RETURNING workflow_definition_id`, workspace).Scan(&definition))
	run := &mocks.WorkflowRun{}
	run.On("GetRunID").Return("the run")
	temporal := &mocks.Client{}
	temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(run, nil)
	a := New(Config{Pool: pool, Client: temporal})
	turn, err := store.TakeOver(t.Context(), pool, 0, "run", 0)
	require.NoError(t, err)

	returned := awaiting(t, a, turn)
	listening(t, pool)
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT (sluice.enqueue($1, $2) ->> 'queueId')::uuid`, workspace, definition).Scan(&item))
	result := <-returned
	require.Equal(t, 1, result.Claimed.New)
	require.Equal(t, &workflows.DispatchResult{Started: 1}, result.Dispatched)
	a.Wait()
	var status string
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT status || ' ' || engine_run_id FROM sluice.executions WHERE id = $1`, item).Scan(&status))
	require.Equal(t, "RUNNING the run", status)
}

func TestAwaitWorkEndsWhenItsRunIsOvertaken(t *testing.T) {
	t.Parallel()
	pool := database(t)
	a := New(Config{Pool: pool, Client: &mocks.Client{}})
	turn, err := store.TakeOver(t.Context(), pool, 0, "run", 0)
	require.NoError(t, err)
	returned := awaiting(t, a, turn)
	listening(t, pool)
	_, err = store.TakeOver(t.Context(), pool, 0, "run", 1)
	require.NoError(t, err)
	result, ok := <-returned
	require.True(t, ok)
	require.Zero(t, result, "the loop meets the takeover itself")
}
