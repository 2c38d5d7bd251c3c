package facts_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

func TestWorkspacesShowTheirUsage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty, _ := b.newWorkspace(t, "zeta", "FREE")
	scheduled, definition := b.newWorkspace(t, "globex", "PRO")
	b.enqueue(t, item{scheduled, definition, 3, time.Hour})
	ids := b.enqueueN(t, 9)
	b.run(t, ids[:5]...)
	b.end(t, "COMPLETED", ids[0])
	b.end(t, "FAILED", ids[1])
	b.run(t, ids[5:7]...)
	b.cancel(t, ids[8])
	b.exec(t, `UPDATE sluice.pending SET available_at = available_at - interval '1 minute' WHERE id = $1`, ids[7])

	want := []facts.WorkspaceUsage{
		{ID: b.workspace, Name: "acme", Plan: "STARTER", Pending: 1, Running: 5, Limit: 5, Done: 2, Reason: new("at-capacity"), Refused: 1, NotSuccess: 1},
		{ID: scheduled, Name: "globex", Plan: "PRO", Pending: 1, Limit: 20, Reason: new("scheduled")},
		{ID: empty, Name: "zeta", Plan: "FREE", Limit: 2},
	}
	for _, ids := range [][]uuid.UUID{nil, {}, {b.workspace, empty, scheduled, uuid.New()}} {
		got, err := facts.Workspaces(t.Context(), b.pool, ids...)
		require.NoError(t, err)
		require.Greater(t, got[0].LongestMS, int64(60_000-1))
		got[0].LongestMS = 0
		require.Equal(t, want, got)
	}
	got, err := facts.Workspaces(t.Context(), b.pool, empty, uuid.New())
	require.NoError(t, err)
	require.Equal(t, want[2:], got)

	b.exec(t, `UPDATE sluice.running SET unserved_since = now() WHERE id = ANY ($1)`, ids[2:4])
	got, err = facts.Workspaces(t.Context(), b.pool, b.workspace)
	require.NoError(t, err)
	require.Equal(t, "unserved", *got[0].Reason)
	require.Equal(t, 2, got[0].Unserved)
	b.exec(t, `INSERT INTO sluice.pauses (workspace_id, actor) VALUES ($1, 'ann')`, b.workspace)
	got, err = facts.Workspaces(t.Context(), b.pool, b.workspace)
	require.NoError(t, err)
	require.Equal(t, "paused", *got[0].Reason, "an operator's decision comes first")
	require.Equal(t, 2, got[0].Unserved)
}

// What keeps a workspace may be what others hold, also when it is asked for alone.
func TestAReasonMayLieWithOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace(t, "globex", "PRO")
	waiting := b.enqueue(t, item{other, definition, 3, 0})
	ids := b.enqueueN(t, 2)
	b.run(t, ids...)
	for limit, sql := range map[string]string{
		"global-limit": `UPDATE sluice.settings SET max_concurrent_workflows = 2`,
		"cohort-limit": `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 1`,
	} {
		b.exec(t, sql)
		got, err := facts.Workspaces(t.Context(), b.pool, other)
		require.NoError(t, err)
		require.Equal(t, limit, *got[0].Reason)
		waits, err := facts.Waits(t.Context(), b.pool, 0, waiting)
		require.NoError(t, err)
		require.EqualValues(t, limit, waits[waiting].Reason)
		b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = NULL`)
		b.exec(t, `UPDATE sluice.workspaces SET cohort = NULL, nominal_quota = NULL`)
	}
}

func TestTypesThatNoLiveWorkerHasAreMissing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	missing := func() (types []string) {
		all, err := facts.MissingTypes(t.Context(), b.pool)
		require.NoError(t, err)
		of, err := facts.MissingTypes(t.Context(), b.pool, b.workspace)
		require.NoError(t, err)
		require.Equal(t, all, of)
		other, err := facts.MissingTypes(t.Context(), b.pool, uuid.New())
		require.NoError(t, err)
		require.Empty(t, other)
		for _, m := range all {
			require.Equal(t, b.workspace, m.WorkspaceID)
			require.Equal(t, 2, m.Executions)
			types = append(types, m.WorkflowType)
		}
		return types
	}
	b.exec(t, `DELETE FROM sluice.workflow_definition_versions`)
	b.exec(t, `INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 1, $2)`, b.definition,
		`{"nodes": [{"type": "workflow", "config": {"workflowType": "Ship"}}, {"type": "workflow", "config": {"workflowType": "Pay", "taskQueue": ""}},
		            {"type": "workflow", "config": {"workflowType": "Elsewhere", "taskQueue": "own"}}, {"type": "delay", "config": {"workflowType": "None"}},
		            {"type": "workflow", "config": {"workflowType": 7}}, {"type": "workflow"}, {"type": "workflow", "config": {"workflowType": "Ship"}}, 3]}`)
	waiting := b.enqueueN(t, 3)
	require.Empty(t, missing(), "what waits misses nothing")
	b.run(t, waiting[:2]...)
	require.Equal(t, []string{"Pay", "Ship"}, missing())
	of, err := facts.MissingTypesOf(t.Context(), b.pool, waiting[0])
	require.NoError(t, err)
	require.Equal(t, []string{"Pay", "Ship"}, of)
	of, err = facts.MissingTypesOf(t.Context(), b.pool, waiting[2])
	require.NoError(t, err)
	require.Empty(t, of)

	b.exec(t, `INSERT INTO sluice.workers (id, identity, workflow_types) VALUES (gen_random_uuid(), 'one', '{Ship}')`)
	require.Equal(t, []string{"Pay"}, missing())
	b.exec(t, `INSERT INTO sluice.workers (id, identity, any_workflow) VALUES (gen_random_uuid(), 'any', true)`)
	require.Empty(t, missing())
	b.exec(t, `UPDATE sluice.workers SET seen_at = seen_at - interval '16 seconds'`)
	require.Equal(t, []string{"Pay", "Ship"}, missing(), "a worker that has not been seen for 15 s has nothing")
}
