package schema_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What people and tools read keeps its columns and their order.
func TestViewsKeepTheirColumns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for view, want := range map[string][]string{
		"queue_items": {"id", "workspace_id", "workflow_definition_id", "input", "priority", "unique_key", "status", "attempt_count", "created_at",
			"available_at", "expires_at", "claimed_at", "dispatched_at", "execution_id", "error", "workflow_type", "task_queue", "engine_workflow_id", "replay_of"},
		"executions": {"id", "queue_id", "workspace_id", "workflow_definition_id", "workflow_version_id", "engine_workflow_id", "engine_run_id",
			"status", "trigger_type", "started_at", "completed_at", "duration_ms", "error", "input", "output", "unserved_since", "workflow_type", "task_queue"},
		"activity": {"at", "actor", "action", "workspace_id", "queue_id", "execution_id", "reason", "details"},
	} {
		require.Equal(t, want, list[string](t, b.db, `SELECT column_name::text FROM information_schema.columns
			WHERE table_schema = 'sluice' AND table_name = $1 ORDER BY ordinal_position`, view), view)
	}
}

const claim = `WITH p AS (DELETE FROM sluice.pending RETURNING *)
	INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at,
		trigger_type, enqueued_by, input)
	SELECT id, workspace_id, workflow_definition_id, priority, attempt_count, 1, created_at, available_at, now(), trigger_type, enqueued_by, input FROM p`

func TestAnExecutionIsSeenInBothViews(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]string{"in its row": `{"order": 7}`, "stored apart": `{"order": 7, "more": "` + strings.Repeat("x", 5000) + `"}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			item := func() string {
				return one[string](t, b.db, `SELECT concat_ws(' ', status, input ->> 'order', execution_id = id) FROM sluice.queue_items`)
			}
			execution := func() []string {
				return list[string](t, b.db, `SELECT concat_ws(' ', engine_workflow_id = 'execution-' || queue_id, status, duration_ms, input ->> 'order', output)
					FROM sluice.executions WHERE id = queue_id`)
			}
			exec(t, b.db, `SELECT sluice.enqueue($1, $2, $3, enqueued_by => 'ann')`, b.workspace, b.definition, input)
			require.Equal(t, "PENDING 7", item())
			exec(t, b.db, claim)
			require.Equal(t, "CLAIMED 7 t", item())
			require.Empty(t, execution(), "no workflow yet")
			exec(t, b.db, `UPDATE sluice.running SET dispatched_at = now(), engine_run_id = 'run'`)
			require.Equal(t, "DISPATCHED 7 t", item())
			require.Equal(t, []string{"t RUNNING 7"}, execution())
			exec(t, b.db, `WITH r AS (DELETE FROM sluice.running RETURNING *)
				INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at,
					dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id, input, output)
				SELECT id, workspace_id, workflow_definition_id, 'COMPLETED', priority, attempt_count, created_at, available_at, claimed_at,
					dispatched_at, dispatched_at + interval '1500 ms', trigger_type, enqueued_by, engine_run_id, input, '"done"' FROM r`)
			require.Equal(t, "DISPATCHED 7 t", item())
			require.Equal(t, []string{`t COMPLETED 1500 7 "done"`}, execution())
			require.Equal(t, []string{"ann enqueued", "dispatcher claimed", `dispatcher dispatched {"runId": "run"}`, "execution completed"}, list[string](t, b.db,
				`SELECT concat_ws(' ', actor, action, nullif(details, '{}')) FROM sluice.activity WHERE queue_id IS NOT NULL
				 ORDER BY at, array_position(ARRAY['enqueued', 'claimed', 'dispatched'], action)`))
		})
	}
}

func TestAnItemThatEndsWithoutAnExecutionSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2, enqueued_by => 'ann')`, b.workspace, b.definition)
	exec(t, b.db, `WITH p AS (DELETE FROM sluice.pending RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, actor, error, priority, attempt_count, created_at, available_at,
			trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, 'CANCELLED', 'cancelled', 'bob', '{"message": "a duplicate"}', priority, attempt_count, created_at,
			available_at, trigger_type, enqueued_by, input FROM p`)
	require.Equal(t, "CANCELLED cancelled: a duplicate", one[string](t, b.db,
		`SELECT concat_ws(' ', status, execution_id, claimed_at, error) FROM sluice.queue_items`))
	require.Empty(t, list[string](t, b.db, `SELECT status FROM sluice.executions`))
	require.Equal(t, []string{"ann enqueued", `bob cancelled cancelled {"error": "a duplicate"}`}, list[string](t, b.db,
		`SELECT concat_ws(' ', actor, action, reason, nullif(details, '{}')) FROM sluice.activity WHERE queue_id IS NOT NULL
		 ORDER BY array_position(ARRAY['enqueued'], action)`))
}

// Either an execution has ended, or the item has a reason for having none.
func TestAnEndHasAStatusThatFitsIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const end = `INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, claimed_at, priority, attempt_count, created_at,
		available_at, trigger_type, enqueued_by) VALUES (gen_random_uuid(), $1, $2, $3, $4, $5::timestamptz, 3, 0, now(), now(), 'FUNCTION', 'ann')`
	for _, status := range []string{"COMPLETED", "FAILED", "CANCELLED", "TERMINATED", "TIMED_OUT"} {
		exec(t, b.db, end, b.workspace, b.definition, status, nil, "now")
		requireRefused(t, b.db, "23514", end, b.workspace, b.definition, status, nil, nil)
	}
	for _, status := range []string{"FAILED", "CANCELLED", "EXPIRED"} {
		exec(t, b.db, end, b.workspace, b.definition, status, "expired", nil)
		requireRefused(t, b.db, "23514", end, b.workspace, b.definition, status, "", nil)
	}
	for status, reason := range map[string]any{"RUNNING": nil, "EXPIRED": nil, "COMPLETED": "expired", "TERMINATED": "expired", "TIMED_OUT": "expired"} {
		requireRefused(t, b.db, "23514", end, b.workspace, b.definition, status, reason, "now")
	}
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
