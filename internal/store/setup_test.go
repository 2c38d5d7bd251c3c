package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/schema"
)

// bundle is a migrated database with one workspace and one definition in it.
type bundle struct {
	db         *pgxpool.Pool
	workspace  uuid.UUID // on plan STARTER: five slots
	definition uuid.UUID
}

func setup(t *testing.T) *bundle {
	t.Helper()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	pool, err := store.Open(t.Context(), url, 10)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b := &bundle{db: pool}
	b.workspace, b.definition = b.newWorkspace(t, "acme")
	return b
}

// newWorkspace adds a workspace with one definition.
func (b *bundle) newWorkspace(t *testing.T, name string) (workspace, definition uuid.UUID) {
	t.Helper()
	workspace = one[uuid.UUID](t, b.db, `INSERT INTO sluice.workspaces (name, plan) VALUES ($1, 'STARTER') RETURNING id`, name)
	definition = one[uuid.UUID](t, b.db, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id`, workspace)
	b.exec(t, `INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 1, '{}')`, definition)
	return workspace, definition
}

// enqueue adds items of a workspace, one after the other, and returns their ids.
func (b *bundle) enqueue(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = one[uuid.UUID](t, b.db, `SELECT (sluice.enqueue($1, $2) ->> 'queueId')::uuid`, b.workspace, b.definition)
	}
	return ids
}

// enqueueUnique enqueues an item under a unique key, and returns the item that answers for it: for so long after its end, or for
// as long as it is retained.
func (b *bundle) enqueueUnique(t *testing.T, key string, keep *time.Duration) uuid.UUID {
	t.Helper()
	return one[uuid.UUID](t, b.db, `SELECT (sluice.enqueue($1, $2, unique_key => $3, unique_for => $4) ->> 'queueId')::uuid`,
		b.workspace, b.definition, key, keep)
}

// enqueueLarge enqueues an item whose input is stored beside it.
func (b *bundle) enqueueLarge(t *testing.T) uuid.UUID {
	t.Helper()
	return one[uuid.UUID](t, b.db, `SELECT (sluice.enqueue($1, $2, jsonb_build_object('text', repeat(gen_random_uuid()::text, 100))) ->> 'queueId')::uuid`,
		b.workspace, b.definition)
}

// claim has the items hold slots, as the dispatcher's claim does.
func (b *bundle) claim(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	ids = slices.SortedFunc(slices.Values(ids), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	var result store.ClaimResult
	request := store.ClaimRequest{Turn: b.turn(t) + 1, Items: ids, Versions: make([]uuid.UUID, len(ids)), Now: time.Now()}
	require.NoError(t, store.Send(t.Context(), b.db, func(batch *pgx.Batch) { store.QueueClaim(batch, request, &result) }))
	require.Len(t, result.Items, len(ids))
}

// turn is the newest of the journal of shard 0.
func (b *bundle) turn(t *testing.T) int64 {
	t.Helper()
	return one[int64](t, b.db, `SELECT max(turn) FROM sluice.turns WHERE shard = 0`)
}

// dispatch claims items and records that their workflows run.
func (b *bundle) dispatch(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	b.claim(t, ids...)
	started := make([]store.Started, len(ids))
	for i, id := range ids {
		started[i] = store.Started{ExecutionID: id, RunID: firstRun(id).RunID}
	}
	require.NoError(t, store.Settle(t.Context(), b.db, started))
}

func firstRun(id uuid.UUID) store.Run {
	return store.Run{ExecutionID: id, RunID: "run-" + id.String()}
}

func secondRun(id uuid.UUID) store.Run {
	return store.Run{ExecutionID: id, RunID: "second-" + id.String()}
}

// end records how the first run ended, and tells whether that was news.
func (b *bundle) end(t *testing.T, id uuid.UUID, status string) bool {
	t.Helper()
	recorded, err := store.RecordOutcome(t.Context(), b.db, store.Outcome{ExecutionID: id, RunID: firstRun(id).RunID, Status: status})
	require.NoError(t, err)
	return recorded
}

// run takes a pending item all the way to its end.
func (b *bundle) run(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.dispatch(t, id)
	require.True(t, b.end(t, id, "COMPLETED"))
}

// view is an item as people read it.
type view struct {
	Status          string
	AttemptCount    int
	Error           *string
	ExecutionStatus *string
	EngineRunID     *string
	CompletedAt     *time.Time
	UnservedSince   *time.Time
	ExecutionError  *string
	HasInput        bool
}

func (b *bundle) view(t *testing.T, id uuid.UUID) view {
	t.Helper()
	found, err := store.Collect[view](t.Context(), b.db, `
		SELECT i.status, i.attempt_count, i.error, x.status AS execution_status, x.engine_run_id, x.completed_at, x.unserved_since,
		       x.error::text AS execution_error, i.input IS NOT NULL AS has_input
		FROM sluice.queue_items i LEFT JOIN sluice.executions x ON x.id = i.execution_id WHERE i.id = $1`, id)
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// actions are those of an item, oldest first.
func (b *bundle) actions(t *testing.T, id uuid.UUID) []string {
	t.Helper()
	return list[string](t, b.db, `SELECT action FROM sluice.activity WHERE queue_id = $1 AND at IS NOT NULL ORDER BY at`, id)
}

// held are the executions that hold a slot.
func (b *bundle) held(t *testing.T) []uuid.UUID {
	t.Helper()
	return list[uuid.UUID](t, b.db, `SELECT id FROM sluice.running ORDER BY id`)
}

// news is what a dispatcher hears that has heard all before the function.
func (b *bundle) news(t *testing.T, of func()) store.News {
	t.Helper()
	mark := one[string](t, b.db, `SELECT pg_current_snapshot()::text`)
	turn := b.turn(t)
	of()
	news, err := store.Hear(t.Context(), b.db, 0, turn, mark)
	require.NoError(t, err)
	return news
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// begin opens a transaction that gives up rather than wait for a lock, and is rolled back when the test ends.
func (b *bundle) begin(t *testing.T) pgx.Tx {
	t.Helper()
	tx, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), `SET LOCAL lock_timeout = '10s'`)
	require.NoError(t, err)
	return tx
}

// checkInvariants is what has to hold whenever no statement is under way.
func (b *bundle) checkInvariants(t *testing.T) {
	t.Helper()
	require.Empty(t, list[uuid.UUID](t, b.db, `
		SELECT id FROM (SELECT id FROM sluice.pending UNION ALL SELECT id FROM sluice.running UNION ALL SELECT id FROM sluice.ended) AS everywhere
		GROUP BY id HAVING count(*) > 1`), "an item is a row of one table only")
}

func list[T any](t *testing.T, db store.DB, sql string, args ...any) []T {
	t.Helper()
	values, err := store.Values[T](t.Context(), db, sql, args...)
	require.NoError(t, err)
	return values
}

func one[T any](t *testing.T, db store.DB, sql string, args ...any) T {
	t.Helper()
	values := list[T](t, db, sql, args...)
	require.Len(t, values, 1)
	return values[0]
}
