package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/queue"
)

// traces counts the rows of each table that have to do with a workspace, by any of their columns. The journal and the log of
// who deleted it are left out.
func (b *bundle) traces(t *testing.T, workspace uuid.UUID) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, table := range list[string](t, b.pool, `SELECT table_name::text FROM information_schema.tables
		WHERE table_schema = 'sluice' AND table_type = 'BASE TABLE' AND table_name NOT IN ('turns', 'inputs')`) {
		n := one[int](t, b.pool, `SELECT count(*) FROM sluice.`+table+` x WHERE x::text LIKE '%' || $1::text || '%' AND x::text NOT LIKE '%workspace-deleted%'`, workspace)
		if n > 0 {
			found[table] = n
		}
	}
	if n := one[int](t, b.pool, `SELECT count(*) FROM sluice.inputs WHERE input::text LIKE '%' || $1::text || '%'`, workspace); n > 0 {
		found["inputs"] = n
	}
	return found
}

// fill gives a workspace something of everything: of each kind of outcome, large inputs, keys, a log.
func (b *bundle) fill(t *testing.T, workspace, definition uuid.UUID) {
	t.Helper()
	for _, input := range []string{`{"of": "` + workspace.String() + `"}`, `{"of": "` + workspace.String() + `", "large": "` + string(make2000()) + `"}`} {
		for _, state := range []string{"pending", "COMPLETED", "FAILED", "refused"} {
			id := one[uuid.UUID](t, b.pool, `SELECT (sluice.enqueue($1, $2, $3, unique_key => gen_random_uuid()::text) ->> 'queueId')::uuid`, workspace, definition, input)
			if state == "pending" {
				continue
			}
			b.exec(t, `WITH gone AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
				INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, priority, attempt_count, created_at, available_at,
					claimed_at, unique_key, trigger_type, enqueued_by, input)
				SELECT id, workspace_id, workflow_definition_id, CASE WHEN $2 = 'refused' THEN 'FAILED' ELSE $2 END, CASE WHEN $2 = 'refused' THEN 'start-failed' END,
					priority, 0, created_at, available_at, now(), unique_key, trigger_type, enqueued_by, input FROM gone`, id, state)
			b.exec(t, `INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id) VALUES ('ann', 'noted', $1, $2)`, workspace, id)
		}
	}
	b.exec(t, `INSERT INTO sluice.virtual_times (workspace_id) VALUES ($1)`, workspace)
	b.exec(t, `INSERT INTO sluice.estimates VALUES ($1, now(), '{}', '{}', '{}', '{}')`, workspace)
	b.exec(t, `UPDATE sluice.workspaces SET max_concurrent_workflows = 3 WHERE id = $1`, workspace)
	b.exec(t, `INSERT INTO sluice.temporary_limits (workspace_id, name, value, until, actor, reason) VALUES ($1::uuid, 'weight', 3, now() + interval '1 hour', 'ann', $1::uuid::text)`, workspace)
	b.exec(t, `INSERT INTO sluice.pauses (workspace_id, workflow_type, workflow_definition_id, actor, reason)
		VALUES ($1::uuid, NULL, NULL::uuid, 'ann', $1::uuid::text), ($1, 'Ship', NULL, 'ann', $1::uuid::text), (NULL, NULL, $2, 'ann', $1::uuid::text)`, workspace, definition)
	b.exec(t, `INSERT INTO sluice.replays SELECT id, gen_random_uuid(), workspace_id FROM sluice.ended WHERE workspace_id = $1 AND reason IS NULL AND status = 'FAILED'`, workspace)
}

func make2000() []byte {
	text := make([]byte, 3000)
	for i := range text {
		text[i] = 'x'
	}
	return text
}

func TestADeletedWorkspaceLeavesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace(t, "globex", "PRO")
	b.fill(t, b.workspace, b.definition)
	b.fill(t, other, definition)
	before := b.traces(t, other)
	require.Subset(t, before, map[string]int{"ended": 6, "pending": 2, "inputs": 4, "unique_keys": 8, "virtual_times": 1, "estimates": 1, "temporary_limits": 1, "pauses": 3, "replays": 2}, "or it shows little")
	there, err := b.office.Belongings(t.Context(), b.workspace)
	require.NoError(t, err)
	require.Equal(t, admin.Belongings{Name: new("acme"), Pending: 2, Ended: 6}, there)

	deleted, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.NoError(t, err)
	require.Equal(t, admin.Deletion{WorkspaceID: b.workspace, Pending: 2, Ended: 6}, deleted)
	require.Empty(t, b.traces(t, b.workspace))
	require.Equal(t, before, b.traces(t, other), "of the others nothing is touched")
	require.Equal(t, []string{"ann"}, list[string](t, b.pool, `SELECT actor FROM sluice.activity WHERE action = 'workspace-deleted' AND details ->> 'workspaceId' = $1::text`, b.workspace))

	_, err = queue.New(b.pool).Enqueue(t.Context(), queue.Item{WorkspaceID: b.workspace, DefinitionID: b.definition})
	require.ErrorIs(t, err, queue.ErrUnknownWorkspace)
	_, err = b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.ErrorIs(t, err, admin.ErrUnknownWorkspace)
}

// What runs is left to Temporal, and what ends meanwhile is deleted by the next call.
func TestADeletionLeavesWhatRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := one[uuid.UUID](t, b.pool, `SELECT (sluice.enqueue($1, $2) ->> 'queueId')::uuid`, b.workspace, b.definition)
	b.exec(t, `WITH gone AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, priority, 0, 1, created_at, available_at, now(), trigger_type, enqueued_by, input FROM gone`, id)
	for range 2 {
		deleted, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
		require.NoError(t, err)
		require.Equal(t, admin.Deletion{WorkspaceID: b.workspace, Running: 1}, deleted)
	}
	b.exec(t, `WITH gone AS (DELETE FROM sluice.running RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, 'CANCELLED', priority, 0, created_at, available_at, claimed_at, trigger_type, enqueued_by, input FROM gone`)
	deleted, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.NoError(t, err)
	require.Equal(t, admin.Deletion{WorkspaceID: b.workspace, Ended: 1}, deleted)
	require.Empty(t, b.traces(t, b.workspace))
}

// An execution that ends while the rest is erased counts as running: the caller calls again, and it is erased then.
func TestWhatEndsDuringADeletionIsLeftToTheNextCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.put(t, b.workspace, b.definition, "", "running")
	b.exec(t, `INSERT INTO sluice.virtual_times (workspace_id) VALUES ($1)`, b.workspace)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), `SELECT FROM sluice.virtual_times WHERE workspace_id = $1 FOR UPDATE`, b.workspace)
	require.NoError(t, err)
	deletion := make(chan admin.Deletion, 1)
	go func() {
		d, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
		assert.NoError(t, err)
		deletion <- d
	}()
	require.Eventually(t, func() bool {
		var waits bool
		err := b.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%sluice.virtual_times%')`).Scan(&waits)
		return err == nil && waits
	}, time.Minute, 10*time.Millisecond)
	b.exec(t, `WITH gone AS (DELETE FROM sluice.running WHERE id = $1 RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, 'CANCELLED', priority, 0, created_at, available_at, claimed_at, trigger_type, enqueued_by, input FROM gone`, id)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, admin.Deletion{WorkspaceID: b.workspace, Running: 1}, <-deletion)
	deleted, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.NoError(t, err)
	require.Equal(t, admin.Deletion{WorkspaceID: b.workspace, Ended: 1}, deleted)
	require.Empty(t, b.traces(t, b.workspace))
}

func TestAWorkspaceWhoseRowIsGoneCanBeDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fill(t, b.workspace, b.definition)
	b.exec(t, `DELETE FROM sluice.workspaces WHERE id = $1`, b.workspace)
	there, err := b.office.Belongings(t.Context(), b.workspace)
	require.NoError(t, err)
	require.Equal(t, admin.Belongings{Pending: 2, Ended: 6}, there)
	deleted, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.NoError(t, err)
	require.Equal(t, admin.Deletion{WorkspaceID: b.workspace, Pending: 2, Ended: 6}, deleted)
	require.Empty(t, b.traces(t, b.workspace))
}

// What others in its cohort claimed is judged by what it brought into that, until its deletion.
func TestTheLimitsOfADeletedMemberOfACohortStayOnRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 2 WHERE id = $1`, b.workspace)
	b.exec(t, `INSERT INTO sluice.temporary_limits (workspace_id, name, value, until, actor, reason) VALUES ($1, 'nominal_quota', 1, now() + interval '1 hour', 'ann', 'acme')`, b.workspace)
	b.exec(t, `INSERT INTO sluice.pauses (workspace_id, actor, reason) VALUES ($1, 'ann', 'acme')`, b.workspace)
	_, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.NoError(t, err)
	require.Equal(t, []string{"workspace-created", "limits-changed", "temporary-limit-set", "temporary-limit-ended", "workspace-deleted"},
		list[string](t, b.pool, `SELECT action FROM sluice.limit_changes WHERE workspace_id = $1 ORDER BY action = 'workspace-deleted', id`, b.workspace))
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.limit_changes WHERE details::text LIKE '%acme%'`))
}
