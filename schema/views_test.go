package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What people and tools read keeps its columns and their order.
func TestViewsKeepTheirColumns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for view, want := range map[string][]string{
		"queue_items": {"id", "workspace_id", "workflow_definition_id", "input", "priority", "unique_key", "status", "attempt_count", "created_at",
			"available_at", "expires_at", "claimed_at", "dispatched_at", "execution_id", "error"},
		"executions": {"id", "queue_id", "workspace_id", "workflow_definition_id", "workflow_version_id", "engine_workflow_id", "engine_run_id",
			"status", "trigger_type", "started_at", "completed_at", "duration_ms", "error", "input", "output", "unserved_since"},
		"activity": {"at", "actor", "action", "workspace_id", "queue_id", "execution_id", "reason", "details"},
	} {
		require.Equal(t, want, list[string](t, b.db, `SELECT column_name::text FROM information_schema.columns
			WHERE table_schema = 'sluice' AND table_name = $1 ORDER BY ordinal_position`, view), view)
	}
}

func TestAnExecutionIsSeenInBothViews(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const id = "01a20000-0000-7000-8000-000000000001"
	exec(t, b.db, `INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count,
			created_at, available_at, claimed_at, trigger_type, enqueued_by) VALUES ($1, $2, $3, 'CLAIMED', 3, 0, now(), now(), now(), 'FUNCTION', 'ann')`,
		id, b.workspace, b.definition)
	exec(t, b.db, `INSERT INTO sluice.execution_inputs VALUES ($1, '{"order": 7}')`, id)
	require.Equal(t, "CLAIMED", one[string](t, b.db, `SELECT status FROM sluice.queue_items`))
	require.Empty(t, list[string](t, b.db, `SELECT status FROM sluice.executions`), "no workflow yet")

	exec(t, b.db, `UPDATE sluice.workflow_executions SET status = 'COMPLETED', dispatched_at = now(), completed_at = now() + interval '1500 ms'`)
	require.Equal(t, "DISPATCHED", one[string](t, b.db, `SELECT status FROM sluice.queue_items WHERE execution_id = id`))
	require.Equal(t, "execution-"+id+" COMPLETED 1500 7", one[string](t, b.db,
		`SELECT concat_ws(' ', engine_workflow_id, status, duration_ms, input ->> 'order') FROM sluice.executions WHERE queue_id = id`))
	requireRefused(t, b.db, "23514", `UPDATE sluice.workflow_executions SET status = 'RUNNING'`) // ended means ended
}

func TestVersionsAreImmutable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	err := requireRefused(t, b.db, "SL008", `UPDATE sluice.workflow_definition_versions SET workflow = '{"name": "other"}'`)
	require.Equal(t, "version 1 of definition "+b.definition.String()+" is immutable", err.Message)
	require.Contains(t, err.Hint, "apply the definition again")
	exec(t, b.db, `DELETE FROM sluice.workspaces`)
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.workflow_definition_versions`), "they go with their workspace")
}

func TestDefaultTiers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, []string{"FREE 2 1", "STARTER 5 2", "PRO 20 4", "ENTERPRISE 100 8"}, list[string](t, b.db,
		`SELECT concat_ws(' ', plan, max_concurrent_workflows, weight) FROM sluice.tiers ORDER BY max_concurrent_workflows`))
}
