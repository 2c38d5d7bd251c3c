package schema_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	url := devtest.Postgres(t)
	applied, err := schema.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.Len(t, applied, known(t))
	require.Equal(t, schema.Version(), applied[len(applied)-1])
	applied, err = schema.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.Empty(t, applied, "nothing was left to do")
}

// Every worker of a fleet may migrate when it starts.
func TestMigrateFromManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	const processes = 8
	url := devtest.Postgres(t)
	counts := make([]int, processes)
	var migrated atomic.Int64 // when the process that did it was done, in Unix nanoseconds
	var group errgroup.Group
	for n := range processes {
		group.Go(func() error {
			applied, err := schema.Migrate(t.Context(), url)
			if counts[n] = len(applied); counts[n] > 0 {
				migrated.Store(time.Now().UnixNano())
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	var total int
	for _, count := range counts {
		total += count
	}
	require.Equal(t, known(t), total, "each migration is applied once")
	require.Less(t, time.Since(time.Unix(0, migrated.Load())), time.Minute, "those that wait learn that it is over: they would wait for five")
	require.NoError(t, schema.Check(t.Context(), open(t, url)))
}

func TestMigrateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := schema.Migrate(t.Context(), "postgres://host:not-a-port/")
	require.ErrorContains(t, err, "parse database url")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = schema.Migrate(ctx, devtest.Postgres(t))
	require.ErrorIs(t, err, context.Canceled)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	url := devtest.Postgres(t)
	db := open(t, url)
	err := schema.Check(t.Context(), db)
	require.ErrorIs(t, err, schema.ErrNotMigrated)
	require.ErrorContains(t, err, "starter migrate")

	_, err = schema.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.NoError(t, schema.Check(t.Context(), db))

	exec(t, db, `INSERT INTO sluice.schema_migrations (version_id, is_applied) VALUES ($1, true)`, schema.Version()+1)
	require.NoError(t, schema.Check(t.Context(), db), "an older worker may run while a newer one has migrated")
	exec(t, db, `DELETE FROM sluice.schema_migrations WHERE version_id > 0`)
	err = schema.Check(t.Context(), db)
	require.ErrorIs(t, err, schema.ErrNotMigrated)
	require.ErrorContains(t, err, fmt.Sprintf("found version 0, need %d", schema.Version()))
}

// known is how many migrations this build has.
func known(t *testing.T) int {
	t.Helper()
	files, err := fs.Glob(schema.Migrations, "migrations/*.sql")
	require.NoError(t, err)
	return len(files)
}
