package postgres_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/postgres"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// admin runs statements as the superuser of a test's database.
func admin(t *testing.T, databaseURL string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	statements = append([]string{"SET default_transaction_read_only TO off", "SET client_encoding TO UTF8", "SET password_encryption TO 'scram-sha-256'"}, statements...) // a test may have set it on
	for _, statement := range statements {
		_, err := conn.Exec(t.Context(), strings.ReplaceAll(statement, ":database", pgx.Identifier{conn.Config().Database}.Sanitize()))
		require.NoError(t, err, statement)
	}
}

// newRole creates a role and returns the URL with it.
func newRole(t *testing.T, databaseURL string) (role, asRole string) {
	t.Helper()
	name := `Röle "of" ` + uuid.NewString()
	role = pgx.Identifier{name}.Sanitize()
	admin(t, databaseURL, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), databaseURL)
		if err == nil {
			_, _ = conn.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role)
			_ = conn.Close(context.Background())
		}
	})
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	u.User = url.User(name)
	return role, u.String()
}

// with adds a setting to a URL.
func with(t *testing.T, databaseURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

func open(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	config, err := postgres.Config(databaseURL)
	require.NoError(t, err)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func setting(t *testing.T, pool *pgxpool.Pool, name string) (value string) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT coalesce(current_setting($1, true), '')`, name).Scan(&value))
	return value
}

func pgIdentifier(name string) string { return pgx.Identifier{name}.Sanitize() }

func onDatabase(t *testing.T, databaseURL, name string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

func dropDatabase(t *testing.T, databaseURL, name string) {
	conn, err := pgx.Connect(context.Background(), databaseURL)
	require.NoError(t, err)
	_, err = conn.Exec(context.Background(), "DROP DATABASE "+pgIdentifier(name)+" WITH (FORCE)")
	require.NoError(t, err)
	_ = conn.Close(context.Background())
}
