package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/queue"
	"sluice/schema"
)

// bundle is a migrated database with one workspace and one definition in it, as an application called shop sees it.
type bundle struct {
	url                   string
	pool                  *pgxpool.Pool
	queue                 *queue.Client
	workspace, definition uuid.UUID
}

func setup(t testing.TB) *bundle {
	t.Helper()
	b := &bundle{url: devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})}
	b.pool = b.open(t, func(*pgxpool.Config) {})
	b.queue = queue.New(b.pool)
	b.workspace, b.definition = b.newWorkspace(t, "acme")
	return b
}

// open opens another pool of the application.
func (b *bundle) open(t testing.TB, change func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(b.url)
	require.NoError(t, err)
	config.MaxConns = 20
	config.ConnConfig.RuntimeParams["application_name"] = "shop"
	change(config)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// newWorkspace creates a workspace with one definition.
func (b *bundle) newWorkspace(t testing.TB, name string) (workspace, definition uuid.UUID) {
	t.Helper()
	workspace = one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workspaces (name) VALUES ($1) RETURNING id`, name)
	return workspace, one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id`, workspace)
}

// item is a plain item of the bundle's workspace.
func (b *bundle) item() queue.Item {
	return queue.Item{WorkspaceID: b.workspace, DefinitionID: b.definition}
}

func items(item queue.Item, n int) []queue.Item {
	many := make([]queue.Item, n)
	for i := range many {
		many[i] = item
	}
	return many
}

// enqueue enqueues one item, which must be new, and returns its id.
func (b *bundle) enqueue(t *testing.T, item queue.Item) uuid.UUID {
	t.Helper()
	answer, err := b.queue.Enqueue(t.Context(), item)
	require.NoError(t, err)
	require.Equal(t, queue.Answer{QueueID: answer.QueueID, Status: "QUEUED", Message: "Workflow execution queued. Will start when capacity is available."}, answer)
	return answer.QueueID
}

func (b *bundle) get(t *testing.T, id uuid.UUID) queue.State {
	t.Helper()
	state, err := b.queue.Get(t.Context(), id)
	require.NoError(t, err)
	return state
}

// claim takes a pending item, as the dispatcher does.
func (b *bundle) claim(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.exec(t, `WITH p AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at,
			expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, priority, attempt_count, 1, created_at, available_at, now(),
			expires_at, unique_key, trigger_type, enqueued_by, input FROM p`, id)
}

// dispatch claims an item and settles its start.
func (b *bundle) dispatch(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.claim(t, id)
	b.exec(t, `UPDATE sluice.running SET dispatched_at = now(), engine_run_id = 'run' WHERE id = $1`, id)
}

// requeue undoes a claim whose start has failed.
func (b *bundle) requeue(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.exec(t, `WITH r AS (DELETE FROM sluice.running WHERE id = $1 RETURNING *)
		INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, expires_at,
			unique_key, trigger_type, enqueued_by, last_error, input)
		SELECT id, workspace_id, workflow_definition_id, priority, attempt_count + 1, created_at, now(), expires_at,
			unique_key, trigger_type, enqueued_by, 'start-failed: no answer', input FROM r`, id)
}

// end records the outcome of an execution.
func (b *bundle) end(t *testing.T, id uuid.UUID, status string) {
	t.Helper()
	b.exec(t, `WITH r AS (DELETE FROM sluice.running WHERE id = $1 RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at,
			dispatched_at, expires_at, unique_key, trigger_type, enqueued_by, engine_run_id, input, output)
		SELECT id, workspace_id, workflow_definition_id, $2, priority, attempt_count, created_at, available_at, claimed_at,
			coalesce(dispatched_at, claimed_at), expires_at, unique_key, trigger_type, enqueued_by, engine_run_id, input, '{"greeting": "hello"}' FROM r`, id, status)
}

// refuse ends a pending item without an execution.
func (b *bundle) refuse(t *testing.T, id uuid.UUID, status, reason string) {
	t.Helper()
	b.exec(t, `WITH p AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, actor, priority, attempt_count, created_at, available_at,
			expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, $2, $3, 'recovery', priority, attempt_count, created_at, available_at,
			expires_at, unique_key, trigger_type, enqueued_by, input FROM p`, id, status, reason)
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// begin opens a transaction that gives up rather than wait for a lock, and is rolled back when the test ends.
func (b *bundle) begin(t *testing.T) pgx.Tx {
	t.Helper()
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	_, err = tx.Exec(t.Context(), `SET LOCAL lock_timeout = '10s'`)
	require.NoError(t, err)
	return tx
}

func list[T any](t testing.TB, db *pgxpool.Pool, sql string, args ...any) []T {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return values
}

func one[T any](t testing.TB, db *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	values := list[T](t, db, sql, args...)
	require.Len(t, values, 1)
	return values[0]
}

func (b *bundle) count(t *testing.T, table string) int {
	t.Helper()
	return one[int](t, b.pool, `SELECT count(*) FROM sluice.`+table)
}

// requireNothing says that no item has left a trace.
func (b *bundle) requireNothing(t *testing.T) {
	t.Helper()
	for _, table := range []string{"queue_items", "inputs", "events", "unique_keys"} {
		require.Zero(t, b.count(t, table), table)
	}
}

// inFuture is a time that no test reaches.
func inFuture() time.Time { return time.Now().Add(time.Hour).Truncate(time.Microsecond) }

// awaitLockWaits returns when so many sessions of this database wait for locks.
func (b *bundle) awaitLockWaits(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return n == one[int](t, b.pool, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	}, 30*time.Second, 2*time.Millisecond)
}
