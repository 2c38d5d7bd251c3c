package activities

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/schema"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// database is a migrated one, of the test's own.
func database(t *testing.T) *pgxpool.Pool {
	t.Helper()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	pool, err := store.Open(t.Context(), url, 10)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `UPDATE sluice.installation SET id = gen_random_uuid(), namespace = 'test', namespace_id = 'test'`)
	require.NoError(t, err)
	return pool
}
