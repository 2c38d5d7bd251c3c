package schema_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// bundle is a migrated database with one workspace and one definition in it.
type bundle struct {
	db                    *pgxpool.Pool
	workspace, definition uuid.UUID
}

func setup(t testing.TB) *bundle {
	t.Helper()
	b := &bundle{db: open(t, devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}))}
	b.workspace = one[uuid.UUID](t, b.db, `INSERT INTO sluice.workspaces (name) VALUES ('acme') RETURNING id`)
	b.definition = b.define(t, b.workspace)
	return b
}

func (b *bundle) define(t testing.TB, workspace uuid.UUID) uuid.UUID {
	t.Helper()
	id := one[uuid.UUID](t, b.db, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id`, workspace)
	exec(t, b.db, `INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 1, '{}')`, id)
	return id
}

func open(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	db, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

func exec(t testing.TB, db *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := db.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
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

// requireRefused says that the statement fails with this SQLSTATE and returns the database's error.
func requireRefused(t *testing.T, db *pgxpool.Pool, code, sql string, args ...any) *pgconn.PgError {
	t.Helper()
	_, err := db.Exec(t.Context(), sql, args...)
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg, "%s %v", sql, args)
	require.Equal(t, code, pg.Code, pg.Message)
	return pg
}
