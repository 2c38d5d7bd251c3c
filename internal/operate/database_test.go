package operate_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/schema"
)

// database is a migrated database of the test's own. The tests move its items from table to table.
type database struct {
	t    *testing.T
	pool *pgxpool.Pool
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return &database{t, pool}
}

func (d *database) exec(sql string, args ...any) {
	d.t.Helper()
	_, err := d.pool.Exec(d.t.Context(), sql, args...)
	require.NoError(d.t, err)
}

func (d *database) id(sql string, args ...any) (id uuid.UUID) {
	d.t.Helper()
	require.NoError(d.t, d.pool.QueryRow(d.t.Context(), sql, args...).Scan(&id))
	return id
}

// newWorkspace creates a workspace with one definition.
func (d *database) newWorkspace(name, plan string) uuid.UUID {
	d.t.Helper()
	workspace := d.id(`INSERT INTO sluice.workspaces (name, plan) VALUES ($1, $2) RETURNING id`, name, plan)
	d.exec(`WITH d AS (INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'x') RETURNING id)
		INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT id, 1, '{}' FROM d`, workspace)
	return workspace
}

func (d *database) enqueue(workspace uuid.UUID) uuid.UUID {
	d.t.Helper()
	return d.id(`SELECT (sluice.enqueue(workspace_id, id) ->> 'queueId')::uuid FROM sluice.workflow_definitions WHERE workspace_id = $1`, workspace)
}

// claim takes pending items.
func (d *database) claim(ids ...uuid.UUID) {
	d.t.Helper()
	d.exec(`WITH taken AS (DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, workflow_version_id, priority, attempt_count, turn,
			created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
		SELECT t.id, t.workspace_id, t.workflow_definition_id, t.workflow_type, t.task_queue, t.workflow_id,
			(SELECT v.id FROM sluice.workflow_definition_versions v WHERE v.workflow_definition_id = t.workflow_definition_id), t.priority, t.attempt_count, 1,
			t.created_at, t.available_at, clock_timestamp(), t.trigger_type, t.enqueued_by, t.input FROM taken t`, ids)
}

// dispatch notes that a claimed item was started.
func (d *database) dispatch(id uuid.UUID, run string) {
	d.t.Helper()
	d.exec(`UPDATE sluice.running SET dispatched_at = clock_timestamp(), engine_run_id = $2 WHERE id = $1`, id, run)
}

// end ends executions.
func (d *database) end(status string, ids ...uuid.UUID) {
	d.t.Helper()
	d.exec(`WITH gone AS (DELETE FROM sluice.running WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, workflow_version_id, status, priority, attempt_count,
			created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id, input)
		SELECT id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, workflow_version_id, $2, priority, attempt_count,
			created_at, available_at, claimed_at, coalesce(dispatched_at, claimed_at), clock_timestamp(), trigger_type, enqueued_by,
			coalesce(engine_run_id, 'run'), input FROM gone`, ids, status)
}
