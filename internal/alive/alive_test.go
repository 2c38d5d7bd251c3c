package alive_test

import (
	"context"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"sluice/internal/alive"
	"sluice/internal/chaos/cluster"
	"sluice/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const patience = time.Minute // for a busy machine; what goes well does not wait

// watched is a pool behind a proxy, and one that goes past it.
func watched(t *testing.T) (pool, straight *pgxpool.Pool, proxy *cluster.Proxy) {
	t.Helper()
	return watchedWith(t, nil)
}

func watchedWith(t *testing.T, settings map[string]string) (pool, straight *pgxpool.Pool, proxy *cluster.Proxy) {
	t.Helper()
	target, err := url.Parse(devtest.Postgres(t))
	require.NoError(t, err)
	straight, err = pgxpool.New(t.Context(), target.String())
	require.NoError(t, err)
	t.Cleanup(straight.Close)
	proxy, err = cluster.NewProxy(target.Host)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	target.Host = proxy.Address
	config, err := pgxpool.ParseConfig(target.String())
	require.NoError(t, err)
	config.MaxConns = 4
	maps.Copy(config.ConnConfig.RuntimeParams, settings)
	attach := alive.Watch(config)
	pool, err = pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	attach(pool)
	return pool, straight, proxy
}

// tooLong is what nobody should wait for on a connection that is lost. Promised are five seconds, or eight; the rest is for a
// machine that is busy with other tests. Without the package it would be many minutes.
const tooLong = 30 * time.Second

func TestNoStatementWaitsOnALostConnection(t *testing.T) {
	t.Parallel()
	pool, _, proxy := watched(t)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	proxy.Swallow(nil)
	began := time.Now()
	_, err = conn.Exec(t.Context(), `SELECT 1`)
	defer conn.Release()
	require.ErrorIs(t, err, alive.ErrLost)
	require.Less(t, time.Since(began), tooLong)
	conn.Release()
	require.NoError(t, pool.Ping(t.Context()))
}

// A role or a database may have settings with which pgx sends no statement by the simple protocol, or shows times in another way.
func TestSessionsOfAnySettingsAreWatched(t *testing.T) {
	t.Parallel()
	pool, _, proxy := watchedWith(t, map[string]string{"client_encoding": "LATIN1", "standard_conforming_strings": "off", "DateStyle": "SQL, DMY",
		"TimeZone": "Asia/Kathmandu", "IntervalStyle": "sql_standard", "extra_float_digits": "-15"})
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	proxy.Swallow(nil)
	began := time.Now()
	_, err = conn.Exec(t.Context(), `SELECT 1`)
	require.ErrorIs(t, err, alive.ErrLost)
	require.Less(t, time.Since(began), tooLong)
}

// A pooler may give the server connection to another application next: what that must not find set is not set before the session is known
// to be one's own, which what is called after connecting finds out.
func TestNothingIsSetInASessionBeforeItIsPrepared(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(devtest.Postgres(t))
	require.NoError(t, err)
	var set []string
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT name FROM pg_settings WHERE source = 'session'`)
		if err == nil {
			set, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	}
	attach := alive.Watch(config)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	attach(pool)
	require.NoError(t, pool.Ping(t.Context()))
	require.Empty(t, set)
}

// A role may end statements after a time in which a session is not introduced, until that is switched off.
func TestASessionIsIntroducedWhateverTheTimeoutOfItsRole(t *testing.T) {
	t.Parallel()
	pool, _, _ := watchedWith(t, map[string]string{"statement_timeout": "1ms", "jit": "on", "jit_above_cost": "0"}) // a plan takes longer
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	conn.Release()
}

// What logs in may act as another role, for example as the owner of the schema (ALTER ROLE … SET role). That one is not shown what the
// sessions of the first do.
func TestSessionsThatActAsAnotherRoleAreWatched(t *testing.T) {
	t.Parallel()
	admin, err := pgx.Connect(t.Context(), devtest.Postgres(t))
	require.NoError(t, err)
	defer func() { _ = admin.Close(context.Background()) }()
	role := "owner_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err = admin.Exec(t.Context(), `CREATE ROLE `+role)
	require.NoError(t, err)
	defer func() { _, _ = admin.Exec(context.Background(), `DROP ROLE `+role) }()
	pool, straight, proxy := watchedWith(t, map[string]string{"role": role})
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	var acts string
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT current_user FROM pg_advisory_lock(9)`).Scan(&acts))
	require.Equal(t, role, acts)
	proxy.Swallow(nil)
	began := time.Now()
	_, err = conn.Exec(t.Context(), `SELECT 1`)
	require.ErrorIs(t, err, alive.ErrLost)
	require.Eventually(t, func() bool {
		var free bool
		return straight.QueryRow(t.Context(), `SELECT pg_try_advisory_lock(9)`).Scan(&free) == nil && free
	}, patience, 50*time.Millisecond, "the lost session is ended")
	require.Less(t, time.Since(began), tooLong)
}

func TestAPoolOfLostConnectionsIsSoonUsableAgain(t *testing.T) {
	t.Parallel()
	pool, _, proxy := watched(t)
	busy := make([]*pgxpool.Conn, 3)
	for i := range busy {
		var err error
		busy[i], err = pool.Acquire(t.Context())
		require.NoError(t, err)
	}
	idle, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	idle.Release()
	proxy.Swallow(nil)
	began := time.Now()
	var all sync.WaitGroup
	for _, conn := range busy {
		all.Go(func() {
			defer conn.Release()
			_, err := conn.Exec(t.Context(), `SELECT 1`)
			assert.ErrorIs(t, err, alive.ErrLost)
		})
	}
	all.Wait()
	for range 4 { // places in the pool
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
	}
	require.Less(t, time.Since(began), tooLong)
}

// A statement may last, also while the server sends nothing; and a caller may wait for a notification.
func TestASlowStatementIsNotLost(t *testing.T) {
	t.Parallel()
	pool, _, _ := watched(t)
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT 1 FROM pg_sleep(8)`).Scan(&n))
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	waiting, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = conn.Conn().WaitForNotification(waiting)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, conn.Ping(t.Context()))
}

func TestALostSessionsLocksAreReleased(t *testing.T) {
	t.Parallel()
	pool, straight, proxy := watched(t)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `BEGIN; CREATE TABLE held (n int); SELECT pg_advisory_lock(7)`)
	require.NoError(t, err)
	proxy.Swallow(nil)
	began := time.Now()
	_, err = conn.Exec(t.Context(), `COMMIT`)
	require.ErrorIs(t, err, alive.ErrLost)
	require.Eventually(t, func() bool {
		var free bool
		return straight.QueryRow(t.Context(), `SELECT pg_try_advisory_lock(7)`).Scan(&free) == nil && free
	}, patience, 50*time.Millisecond)
	require.Less(t, time.Since(began), tooLong)
}

// The answer is lost while the statement is under way, so that there is nothing to ask about at first.
func TestAnAnswerThatIsLostIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	pool, straight, proxy := watched(t)
	lock, err := straight.Acquire(t.Context()) // the statement waits for it, so that it is under way for as long as the test likes
	require.NoError(t, err)
	defer lock.Release()
	_, err = lock.Exec(t.Context(), `SELECT pg_advisory_lock(8)`)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := pool.Exec(context.Background(), `SELECT pg_advisory_lock(8), pg_sleep(4)`)
		failed <- err
	}()
	require.Eventually(t, func() bool {
		var n int
		return straight.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`).Scan(&n) == nil && n == 1
	}, patience, 10*time.Millisecond)
	proxy.Swallow(nil)
	began := time.Now()
	_, err = lock.Exec(t.Context(), `SELECT pg_advisory_unlock(8)`)
	require.NoError(t, err)
	require.ErrorIs(t, <-failed, alive.ErrLost)
	require.Less(t, time.Since(began), tooLong+4*time.Second)
}

func TestNoCallWaitsOnALostConnectionToTemporal(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Temporal(t, nil)
	proxy, err := cluster.NewProxy(address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	options := client.Options{HostPort: proxy.Address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	alive.WatchTemporal(&options)
	c, err := client.DialContext(t.Context(), options)
	require.NoError(t, err)
	defer c.Close()
	for range 4 { // one connection after the other is lost, and none is ever quiet before: each is found as soon as the first
		require.Positive(t, proxy.Swallow(nil))
		began := time.Now()
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), tooLong)
			defer cancel()
			_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
			return err == nil
		}, patience, time.Millisecond)
		require.Less(t, time.Since(began), tooLong)
	}
}
