package schema_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/internal/chaos/cluster"
	"sluice/schema"
)

// nextBuild has one more migration, which locks the table of pending items.
func nextBuild(t *testing.T) fs.FS {
	t.Helper()
	build := fstest.MapFS{"migrations/90000_next.sql": {Data: []byte("-- +goose Up\nALTER TABLE sluice.pending ADD COLUMN extra integer;\n")}}
	files, err := fs.Glob(schema.Migrations, "migrations/*.sql")
	require.NoError(t, err)
	for _, name := range files {
		data, err := fs.ReadFile(schema.Migrations, name)
		require.NoError(t, err)
		build[name] = &fstest.MapFile{Data: data}
	}
	return build
}

// All statements wait behind one that waits for an exclusive lock. A migration that waits for a transaction of an application
// lets the others pass again and again, until that transaction has ended.
func TestAMigrationBehindALongTransactionLetsEnqueuesPass(t *testing.T) {
	t.Parallel()
	b := setup(t)
	enqueue := func() {
		one[any](t, b.db, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	}
	long, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	_, err = long.Exec(t.Context(), `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.NoError(t, err)

	migrated := make(chan error, 1)
	go func() {
		_, err := schema.MigrateWith(t.Context(), b.db.Config().ConnString(), nextBuild(t), 5*time.Minute)
		migrated <- err
	}()
	for range 2 { // it tries more than once
		require.Eventually(t, func() bool {
			return one[int](t, b.db, `SELECT count(*) FROM pg_locks WHERE relation = 'sluice.pending'::regclass AND NOT granted`) > 0
		}, time.Minute, 5*time.Millisecond)
		enqueue() // while the transaction is open: without a limit on the wait this would never return
		require.Empty(t, migrated)
		require.Eventually(t, func() bool {
			return one[int](t, b.db, `SELECT count(*) FROM pg_locks WHERE relation = 'sluice.pending'::regclass AND NOT granted`) == 0
		}, time.Minute, 5*time.Millisecond)
	}
	require.NoError(t, long.Commit(t.Context()))
	require.NoError(t, <-migrated)
	enqueue()
	require.Equal(t, 4, one[int](t, b.db, `SELECT count(*) FROM sluice.pending WHERE extra IS NULL`))
	require.NoError(t, schema.Check(t.Context(), b.db), "a build that does not know the new version may run on it")
}

func TestAMigrationGivesUpBehindATransactionThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	long, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = long.Rollback(t.Context()) }()
	_, err = long.Exec(t.Context(), `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.NoError(t, err)
	_, err = schema.MigrateWith(t.Context(), b.db.Config().ConnString(), nextBuild(t), 0)
	require.ErrorIs(t, err, schema.ErrLocked)
	require.ErrorContains(t, err, fmt.Sprintf("session %d of role", long.Conn().PgConn().PID()))
	require.ErrorContains(t, err, "idle in transaction, its transaction open for")
	require.ErrorContains(t, err, "version:90000")
	require.ErrorContains(t, err, "pg_stat_activity")

	told := make(chan string, 10)
	ctx, give := context.WithCancel(t.Context())
	defer give()
	_, err = schema.MigrateNotifyingWith(ctx, b.db.Config().ConnString(), nextBuild(t), func(message string) {
		told <- message
		give()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "behind session", "whoever gives up learns why it took so long")
	require.Contains(t, <-told, "the migration waits for session")
}

// A prepared transaction keeps its locks when its session has gone on, so no session is to be seen that has them.
func TestAMigrationNamesThePreparedTransactionThatItWaitsFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gid := "'" + uuid.NewString() + "'"
	exec(t, b.db, `BEGIN; SET LOCAL sluice.notify = off; SELECT sluice.enqueue('`+b.workspace.String()+`', '`+b.definition.String()+`'); PREPARE TRANSACTION `+gid)
	defer exec(t, b.db, `ROLLBACK PREPARED `+gid)
	_, err := schema.MigrateWith(t.Context(), b.db.Config().ConnString(), nextBuild(t), 0)
	require.ErrorIs(t, err, schema.ErrLocked)
	require.ErrorContains(t, err, "prepared transaction "+gid+" of role")
	require.ErrorContains(t, err, "ROLLBACK PREPARED ends it")
}

// Every process of a fleet that is deployed under load migrates. It is done once, and every enqueue meanwhile succeeds.
func TestAFleetMigratesUnderLoad(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var enqueued atomic.Int64
	var load, fleet errgroup.Group
	for range 4 {
		load.Go(func() error {
			for ctx.Err() == nil {
				if _, err := b.db.Exec(t.Context(), `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition); err != nil {
					return err
				}
				enqueued.Add(1)
			}
			return nil
		})
	}
	goesOn := func() {
		before := enqueued.Load()
		require.Eventually(t, func() bool { return enqueued.Load() > before+20 }, time.Minute, time.Millisecond)
	}
	goesOn()
	build := nextBuild(t)
	var applied atomic.Int64
	for range 4 {
		fleet.Go(func() error {
			versions, err := schema.MigrateWith(t.Context(), b.db.Config().ConnString(), build, 5*time.Minute)
			applied.Add(int64(len(versions)))
			return err
		})
	}
	require.NoError(t, fleet.Wait())
	goesOn()
	stop()
	require.NoError(t, load.Wait())
	require.EqualValues(t, 1, applied.Load())
	require.EqualValues(t, enqueued.Load(), one[int64](t, b.db, `SELECT count(*) FROM sluice.pending WHERE extra IS NULL`))
}

// A connection may deliver nothing any more without being closed, as after a failover.
func TestAMigrationIsNotHeldUpByAConnectionThatDeliversNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	target, err := url.Parse(b.db.Config().ConnString())
	require.NoError(t, err)
	proxy, err := cluster.NewProxy(target.Host)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	target.Host = proxy.Address
	long, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	_, err = long.Exec(t.Context(), `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.NoError(t, err)

	migrate := func() error {
		_, err := schema.MigrateWith(t.Context(), target.String(), nextBuild(t), 5*time.Minute)
		return err
	}
	migrated := make(chan error, 1)
	go func() { migrated <- migrate() }()
	require.Eventually(t, func() bool {
		return one[int](t, b.db, `SELECT count(*) FROM pg_locks WHERE relation = 'sluice.pending'::regclass AND NOT granted`) > 0
	}, time.Minute, time.Millisecond)
	require.NotZero(t, proxy.Swallow(func(int) bool { return true }))
	require.NoError(t, long.Commit(t.Context()))
	select {
	case err := <-migrated:
		if err != nil { // it was lost in the middle of a statement
			require.NoError(t, migrate())
		}
	case <-time.After(time.Minute):
		require.Fail(t, "it still waits")
	}
	one[int](t, b.db, `SELECT count(extra) FROM sluice.pending`)
}
