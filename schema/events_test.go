package schema_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// However an item is enqueued, one event tells all that a dispatcher needs to know of it. An enqueue that adds none tells nothing.
func TestEachNewItemHasOneEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2, unique_key => 'k', available_at => $3, priority => 1)`, b.workspace, b.definition, due)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2, unique_key => 'k')`, b.workspace, b.definition) // answers with the first item
	require.Equal(t,
		list[string](t, b.db, `SELECT concat_ws(' ', id, workspace_id, workflow_definition_id, priority, available_at) FROM sluice.pending ORDER BY id`),
		list[string](t, b.db, `SELECT concat_ws(' ', item_id, workspace_id, definition_id, priority, available_at) FROM sluice.events
			WHERE NOT quiet AND workspaces IS NULL AND freed IS NULL ORDER BY item_id`))
}

// listener is a session that hears notifications, as a dispatcher does that waits.
type listener struct{ conn *pgxpool.Conn }

func (b *bundle) listen(t *testing.T) *listener {
	t.Helper()
	conn, err := b.db.Acquire(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Hijack().Close(context.WithoutCancel(t.Context())) })
	_, err = conn.Exec(t.Context(), `LISTEN sluice_events`)
	require.NoError(t, err)
	return &listener{conn}
}

// heard returns what was sent since it was last called. A notification reaches each session before the answer to its next
// statement does, and those of one transaction before those of the next.
func (l *listener) heard(t *testing.T) []string {
	t.Helper()
	_, err := l.conn.Exec(t.Context(), `SELECT pg_notify('sluice_events', 'end')`)
	require.NoError(t, err)
	heard := []string{}
	for {
		n, err := l.conn.Conn().WaitForNotification(t.Context())
		require.NoError(t, err)
		if n.Payload == "end" {
			return heard
		}
		heard = append(heard, n.Payload)
	}
}

func TestEventsWakeOnlyDispatchersThatWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen(t)
	enqueue := func() { exec(t, b.db, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition) }
	enqueue()
	require.Empty(t, l.heard(t), "no dispatcher waits")
	exec(t, b.db, `INSERT INTO sluice.listeners (shard, token) VALUES (0, gen_random_uuid())`)
	enqueue()
	require.Equal(t, []string{""}, l.heard(t))
	exec(t, b.db, `INSERT INTO sluice.events (workspace_id, quiet) VALUES ($1, true)`, b.workspace)
	require.Empty(t, l.heard(t), "the statement would have done so itself")
	exec(t, b.db, `DELETE FROM sluice.listeners`)
	enqueue()
	require.Empty(t, l.heard(t))
}

// What a transaction has done is seen at its commit, and a dispatcher that begins to wait meanwhile must hear of it then.
func TestATransactionWakesAtItsCommit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen(t)
	err := pgx.BeginFunc(t.Context(), b.db, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
		require.NoError(t, err)
		exec(t, b.db, `INSERT INTO sluice.listeners (shard, token) VALUES (0, gen_random_uuid())`)
		require.Empty(t, l.heard(t))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{""}, l.heard(t))
}

func TestAnEventWakesTheDispatcherOfItsShard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `UPDATE sluice.settings SET shards = 4`)
	exec(t, b.db, `INSERT INTO sluice.listeners (shard, token) SELECT generate_series(0, 3), gen_random_uuid()`)
	l := b.listen(t)
	for range 8 {
		workspace := one[uuid.UUID](t, b.db, `INSERT INTO sluice.workspaces (name, cohort) VALUES ('x', nullif((ARRAY['', 'a', 'b'])[1 + random() * 2], '')) RETURNING id`)
		l.heard(t)
		owner := one[string](t, b.db, `SELECT sluice.shard_of(id, cohort, 4)::text FROM sluice.workspaces WHERE id = $1`, workspace)
		exec(t, b.db, `SELECT sluice.enqueue($1, $2)`, workspace, b.define(t, workspace))
		require.Equal(t, []string{owner}, l.heard(t))
	}
	exec(t, b.db, `INSERT INTO sluice.events (freed) VALUES (ARRAY[gen_random_uuid()])`)
	require.Equal(t, []string{""}, l.heard(t), "of no workspace in particular: all of them")

	// While all workspaces share a limit, what one gives back may be another's.
	exec(t, b.db, `UPDATE sluice.settings SET max_concurrent_workflows = 10`)
	l.heard(t)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.Equal(t, []string{""}, l.heard(t))
}
