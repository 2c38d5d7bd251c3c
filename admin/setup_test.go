package admin_test

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

	"sluice/admin"
	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

// bundle is a migrated database with one workspace and one definition in it, on the pool of any application.
type bundle struct {
	url        string
	pool       *pgxpool.Pool
	office     *admin.Client
	workspace  uuid.UUID // on plan STARTER: five slots
	definition uuid.UUID
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{url: devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})}
	b.pool = b.open(t, 20)
	b.office = admin.New(b.pool)
	b.workspace, b.definition = b.newWorkspace(t, "acme", "STARTER")
	return b
}

func (b *bundle) open(t *testing.T, conns int32) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(b.url)
	require.NoError(t, err)
	config.MaxConns = conns
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// newWorkspace creates a workspace with one definition.
func (b *bundle) newWorkspace(t *testing.T, name, plan string) (workspace, definition uuid.UUID) {
	t.Helper()
	w, err := b.office.CreateWorkspace(t.Context(), name, plan, "ann")
	require.NoError(t, err)
	d, err := b.office.ApplyDefinition(t.Context(), w.ID, graph("greet", 1), "ann")
	require.NoError(t, err)
	return w.ID, d.ID
}

// graph is a definition file with n noop nodes.
func graph(name string, n int) []byte {
	nodes := make([]map[string]any, n)
	for i := range nodes {
		nodes[i] = map[string]any{"name": fmt.Sprint("node ", i), "type": "noop"}
	}
	raw, err := json.Marshal(map[string]any{"name": name, "nodes": nodes})
	if err != nil {
		panic(err)
	}
	return raw
}

// turns is what has taken turns of the journal since the newest turn was this one, as "shard kind", and the newest now.
func (b *bundle) turns(t *testing.T, since int64) ([]string, int64) {
	t.Helper()
	return list[string](t, b.pool, `SELECT shard || ' ' || kind FROM sluice.turns WHERE turn > $1 ORDER BY turn`, since),
		one[int64](t, b.pool, `SELECT max(turn) FROM sluice.turns`)
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func list[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) []T {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return values
}

func one[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	values := list[T](t, pool, sql, args...)
	require.Len(t, values, 1)
	return values[0]
}

// awaitLockWait returns when a statement in this database waits for a lock.
func (b *bundle) awaitLockWait(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return one[int](t, b.pool, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
	}, 30*time.Second, 2*time.Millisecond)
}
