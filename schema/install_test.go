package schema_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

// with adds settings to the URL of a database.
func with(t *testing.T, databaseURL string, settings ...string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	query := u.Query()
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		query.Set(name, value)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// as has another role connect.
func as(t *testing.T, databaseURL, role string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	u.User = url.User(role)
	return u.String()
}

// One URL serves the pool of a worker and the migration.
func TestMigrateTakesTheURLOfAPool(t *testing.T) {
	t.Parallel()
	for _, settings := range [][]string{
		{"pool_max_conns=5", "pool_min_conns=1", "pool_max_conn_lifetime=1h", "pool_health_check_period=30s"},
		{"statement_cache_capacity=0"},
		{"statement_cache_capacity=0", "default_query_exec_mode=exec"},
		{"default_query_exec_mode=simple_protocol"},
	} {
		t.Run(strings.Join(settings, " "), func(t *testing.T) {
			t.Parallel()
			databaseURL := with(t, devtest.Postgres(t), settings...)
			applied, err := schema.Migrate(t.Context(), databaseURL)
			require.NoError(t, err)
			require.Len(t, applied, known(t))
			_, err = pgxpool.ParseConfig(databaseURL)
			require.NoError(t, err)
		})
	}
}

// A pooler refuses a connection that asks for settings which it does not know.
func TestMigrateAsksForNoSettingAsItConnects(t *testing.T) {
	t.Parallel()
	pooler, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = pooler.Close() })
	asked := make(chan map[string]string, 1)
	go func() {
		conn, err := pooler.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		if first, err := pgproto3.NewBackend(conn, conn).ReceiveStartupMessage(); err == nil {
			if first, ok := first.(*pgproto3.StartupMessage); ok {
				asked <- first.Parameters
			}
		}
	}()
	_, err = schema.Migrate(t.Context(), "postgres://ann@"+pooler.Addr().String()+"/shop?sslmode=disable")
	require.Error(t, err, "there is no database behind it")
	require.Equal(t, map[string]string{"user": "ann", "database": "shop"}, <-asked)
}

// An administrator makes the schema for a role that may create none.
func TestARoleThatOwnsTheSchemaMigratesIt(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	admin, role := open(t, databaseURL), "app_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	exec(t, admin, `CREATE ROLE `+role+` LOGIN`)
	_, err := schema.Migrate(t.Context(), as(t, databaseURL, role))
	require.ErrorContains(t, err, "permission denied", "it may create none")
	exec(t, admin, `CREATE SCHEMA sluice AUTHORIZATION `+role)
	for _, want := range []int{known(t), 0} {
		applied, err := schema.Migrate(t.Context(), as(t, databaseURL, role))
		require.NoError(t, err)
		require.Len(t, applied, want)
	}
	app := open(t, as(t, databaseURL, role))
	require.NoError(t, schema.Check(t.Context(), app))
	b := setupIn(t, app)
	one[any](t, app, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.Zero(t, one[int](t, app, `SELECT sluice.make_partitions()`), "they are there")
}

func TestARoleThatMayCreateSchemasNoLongerMigratesItsOwn(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	admin, role := open(t, databaseURL), "app_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	database := one[string](t, admin, `SELECT quote_ident(current_database())`)
	exec(t, admin, `CREATE ROLE `+role+` LOGIN`)
	exec(t, admin, `GRANT CREATE ON DATABASE `+database+` TO `+role)
	applied, err := schema.Migrate(t.Context(), as(t, databaseURL, role))
	require.NoError(t, err)
	require.Len(t, applied, known(t))
	exec(t, admin, `REVOKE CREATE ON DATABASE `+database+` FROM `+role)
	applied, err = schema.Migrate(t.Context(), as(t, databaseURL, role))
	require.NoError(t, err)
	require.Empty(t, applied)
}

// A dump may read for hours. It has no lock on what does not exist yet.
func TestMigrateWhileAnotherSessionReadsAnOldSnapshot(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	db := open(t, databaseURL)
	exec(t, db, `CREATE TABLE orders (id int)`)
	dump, err := db.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = dump.Rollback(context.Background()) })
	_, err = dump.Exec(t.Context(), `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`)
	require.NoError(t, err)
	_, err = dump.Exec(t.Context(), `SELECT FROM orders`)
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute) // it would try for five
	defer stop()
	applied, err := schema.Migrate(ctx, databaseURL)
	require.NoError(t, err)
	require.Len(t, applied, known(t))
	b := setupIn(t, db)
	one[any](t, db, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.Zero(t, one[int](t, db, `SELECT count(*) FROM pg_index WHERE NOT indisvalid`))
}

// setupIn adds one workspace and one definition to a migrated database.
func setupIn(t *testing.T, db *pgxpool.Pool) *bundle {
	t.Helper()
	b := &bundle{db: db, workspace: one[uuid.UUID](t, db, `INSERT INTO sluice.workspaces (name) VALUES ('acme') RETURNING id`)}
	b.definition = b.define(t, b.workspace)
	return b
}
