package activities

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
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

// newWorkflowEnvironment is for workflows whose activities ask a real database: on a busy machine an answer may take longer than the three
// seconds that such an environment has, and a workflow longer than the second after which the SDK calls it a deadlock.
func newWorkflowEnvironment(suite *testsuite.WorkflowTestSuite) *testsuite.TestWorkflowEnvironment {
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(2 * time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	return env
}
