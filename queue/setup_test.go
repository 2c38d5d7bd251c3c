package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
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

// bundle is a migrated database with one workspace and one definition in it, seen from both sides: the application
// enqueues with the settings of any Postgres client, the dispatcher works with its own.
type bundle struct {
	url        string
	pool       *pgxpool.Pool // the application's
	app        *queue.Queue
	dispatcher *queue.Queue
	workspace  uuid.UUID // on plan STARTER: five slots
	definition uuid.UUID

	fence queue.Fence // of the last claim made through claim
}

const starterLimit = 5

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{url: devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})}
	config, err := pgxpool.ParseConfig(b.url)
	require.NoError(t, err)
	config.MaxConns = 20
	config.ConnConfig.RuntimeParams["application_name"] = "shop"
	b.pool, err = pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(b.pool.Close)
	pool, err := queue.DispatcherPool(t.Context(), b.url, 10)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b.app, b.dispatcher = queue.New(b.pool), queue.New(pool)
	b.workspace, b.definition = b.newWorkspace(t, "acme", "STARTER")
	return b
}

// newWorkspace creates a workspace with one definition.
func (b *bundle) newWorkspace(t *testing.T, name, plan string) (workspace, definition uuid.UUID) {
	t.Helper()
	w, err := b.app.CreateWorkspace(t.Context(), name, plan, "ann")
	require.NoError(t, err)
	d, err := b.app.ApplyDefinition(t.Context(), w.ID, graph("greet", 1), "ann")
	require.NoError(t, err)
	return w.ID, d.ID
}

// graph is a definition file with n noop nodes.
func graph(name string, n int) []byte {
	nodes := make([]map[string]any, n)
	for i := range nodes {
		nodes[i] = map[string]any{"id": uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)), "type": "noop"}
	}
	raw, err := json.Marshal(map[string]any{"name": name, "nodes": nodes})
	if err != nil {
		panic(err)
	}
	return raw
}

// item is a plain item of the bundle's workspace.
func (b *bundle) item() queue.Item {
	return queue.Item{WorkspaceID: b.workspace, DefinitionID: b.definition}
}

// enqueue enqueues one item and returns its id.
func (b *bundle) enqueue(t *testing.T, item queue.Item) uuid.UUID {
	t.Helper()
	answer, err := b.app.Enqueue(t.Context(), item)
	require.NoError(t, err)
	require.Equal(t, "QUEUED", answer.Status)
	return answer.QueueID
}

// enqueueN enqueues n plain items, one after the other.
func (b *bundle) enqueueN(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = b.enqueue(t, b.item())
	}
	return ids
}

// grant allows the bundle's workspace n starts under its present limit.
func (b *bundle) grant(n int) []queue.Grant {
	return []queue.Grant{{WorkspaceID: b.workspace, Slots: n, Limit: starterLimit}}
}

// claim claims up to n items of the bundle's workspace in a new cycle and returns their ids in claim order.
func (b *bundle) claim(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	b.openEpoch(t, "run")
	b.fence.Cycle++
	claimed, err := b.dispatcher.Claim(t.Context(), b.fence, b.grant(n))
	require.NoError(t, err)
	require.False(t, claimed.Repeated)
	ids := b.claimedIn(t, b.fence)
	require.Len(t, ids, claimed.New)
	return ids
}

func (b *bundle) openEpoch(t *testing.T, run string) {
	t.Helper()
	epoch, err := b.dispatcher.OpenEpoch(t.Context(), 0, run)
	require.NoError(t, err)
	b.fence.Epoch = epoch
}

// claimedIn is what a cycle has claimed and still holds, in claim order.
func (b *bundle) claimedIn(t *testing.T, f queue.Fence) []uuid.UUID {
	t.Helper()
	return list[uuid.UUID](t, b.pool, `SELECT e.id FROM sluice.slots s JOIN sluice.workflow_executions e ON e.id = s.execution_id
		WHERE s.epoch = $1 AND s.cycle = $2 ORDER BY e.priority, e.available_at, e.id`, f.Epoch, f.Cycle)
}

// run takes an item all the way to DISPATCHED.
func (b *bundle) dispatch(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	started := make([]queue.Started, len(ids))
	for i, id := range ids {
		started[i] = queue.Started{ExecutionID: id, RunID: "run-" + id.String()}
	}
	require.NoError(t, b.dispatcher.Settle(t.Context(), started))
}

func (b *bundle) end(t *testing.T, id uuid.UUID, status string) bool {
	t.Helper()
	recorded, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: id, RunID: "run-" + id.String(), Status: status})
	require.NoError(t, err)
	return recorded
}

func (b *bundle) view(t *testing.T, id uuid.UUID) queue.ItemView {
	t.Helper()
	item, err := b.app.Item(t.Context(), id)
	require.NoError(t, err)
	return item
}

// mark is the present moment of the database.
func (b *bundle) mark(t *testing.T) queue.Mark {
	t.Helper()
	c, err := b.dispatcher.Capacity(t.Context(), 1)
	require.NoError(t, err)
	return c.Mark
}

func (b *bundle) rung(t *testing.T, since queue.Mark) bool {
	t.Helper()
	yes, err := b.dispatcher.Rung(t.Context(), since)
	require.NoError(t, err)
	return yes
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
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), `SET LOCAL lock_timeout = '1s'`)
	require.NoError(t, err)
	return tx
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func list[T any](t *testing.T, db querier, sql string, args ...any) []T {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return values
}

func one[T any](t *testing.T, db querier, sql string, args ...any) T {
	t.Helper()
	values := list[T](t, db, sql, args...)
	require.Len(t, values, 1)
	return values[0]
}

// checkInvariants is what has to hold whenever nobody is in the middle of a statement.
func (b *bundle) checkInvariants(t *testing.T) {
	t.Helper()
	require.Empty(t, list[uuid.UUID](t, b.pool, `
		SELECT id FROM (SELECT id FROM sluice.execution_queue UNION ALL SELECT id FROM sluice.workflow_executions
			UNION ALL SELECT id FROM sluice.refused_items) AS everywhere GROUP BY id HAVING count(*) > 1`),
		"an id lives in one table only")
	require.Empty(t, list[uuid.UUID](t, b.pool, `
		SELECT coalesce(s.execution_id, e.id) FROM sluice.slots s
		FULL JOIN (SELECT * FROM sluice.workflow_executions WHERE status IN ('CLAIMED', 'RUNNING')) e ON e.id = s.execution_id
		WHERE s.execution_id IS NULL OR e.id IS NULL OR s.workspace_id <> e.workspace_id OR s.dispatched <> (e.status = 'RUNNING')`),
		"a slot exists if and only if its execution is CLAIMED or RUNNING")
	require.Empty(t, list[uuid.UUID](t, b.pool, `
		SELECT coalesce(i.execution_id, e.id) FROM sluice.execution_inputs i
		FULL JOIN sluice.workflow_executions e ON e.id = i.execution_id WHERE i.execution_id IS NULL OR e.id IS NULL`),
		"every execution has its input, and no other")
}

// requireEverywhere says that each of these items is still somewhere.
func (b *bundle) requireEverywhere(t *testing.T, ids []uuid.UUID) {
	t.Helper()
	found := list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.queue_items WHERE id = ANY ($1)`, ids)
	require.ElementsMatch(t, ids, found, "an acknowledged item is never lost")
}

// inFuture is a time that no test reaches.
func inFuture() time.Time { return time.Now().Add(time.Hour) }

// awaitLockWait returns when somebody in this database waits for a lock.
func (b *bundle) awaitLockWait(t *testing.T) { t.Helper(); b.awaitLockWaits(t, 1) }

func (b *bundle) awaitLockWaits(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return one[int](t, b.pool, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) >= n
	}, 10*time.Second, 2*time.Millisecond)
}

func cancel(t *testing.T, b *bundle, id uuid.UUID) {
	t.Helper()
	status, err := b.app.Cancel(t.Context(), id, "ann", "no longer wanted")
	require.NoError(t, err)
	require.Equal(t, "CANCELLED", status)
}

func failedStart(id uuid.UUID) queue.FailedStart {
	return queue.FailedStart{ExecutionID: id, Reason: "start-failed", Error: "no answer"}
}

// requeue undoes claims, with a backoff too short to wait for.
func (b *bundle) requeue(t *testing.T, maxAttempts int, failed ...queue.FailedStart) queue.Requeued {
	t.Helper()
	r, err := b.dispatcher.Requeue(t.Context(), b.fence, failed,
		queue.RetryPolicy{MaxAttempts: maxAttempts, Backoff: time.Microsecond, MaxBackoff: time.Microsecond})
	require.NoError(t, err)
	return r
}

// held is who holds a slot.
func (b *bundle) held(t *testing.T) []uuid.UUID {
	t.Helper()
	return list[uuid.UUID](t, b.pool, `SELECT execution_id FROM sluice.slots ORDER BY execution_id`)
}

// slots is how many slots each workspace holds.
func (b *bundle) slots(t *testing.T) map[uuid.UUID]int {
	t.Helper()
	used := map[uuid.UUID]int{}
	for _, workspace := range list[uuid.UUID](t, b.pool, `SELECT workspace_id FROM sluice.slots`) {
		used[workspace]++
	}
	return used
}

func (b *bundle) setLimit(t *testing.T, plan string, limit int) {
	t.Helper()
	_, err := b.app.SetTier(t.Context(), plan, queue.TierChange{MaxConcurrentWorkflows: &limit}, "ann")
	require.NoError(t, err)
}

func items(item queue.Item, n int) []queue.Item {
	many := make([]queue.Item, n)
	for i := range many {
		many[i] = item
	}
	return many
}

func rowsOf[T any](t *testing.T, db querier, sql string, args ...any) []T {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	require.NoError(t, err)
	return values
}
