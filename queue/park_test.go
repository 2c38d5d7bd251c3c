package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// longPoll is so long that only NOTIFY can explain an earlier end.
const longPoll = 30 * time.Second

type awaited struct {
	rung bool
	err  error
	took time.Duration
}

// park waits in the background and returns when the wait is seen by those who enqueue.
func (b *bundle) park(t *testing.T, ctx context.Context, q *queue.Queue, mark queue.Mark) <-chan awaited {
	t.Helper()
	done := make(chan awaited, 1)
	go func() {
		started := time.Now()
		rung, err := q.Await(ctx, 0, mark, time.Time{}, longPoll)
		done <- awaited{rung, err, time.Since(started)}
	}()
	require.Eventually(t, func() bool { return b.parked(t) == 1 && b.listening(t) }, 10*time.Second, time.Millisecond)
	return done
}

func (b *bundle) parked(t *testing.T) int {
	t.Helper()
	return one[int](t, b.pool, `SELECT count(*) FROM sluice.parked`)
}

// listening tells whether the parked connection has come to its wait: its last statement is the look at the doorbell.
func (b *bundle) listening(t *testing.T) bool {
	t.Helper()
	return one[bool](t, b.pool, `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE datname = current_database() AND state = 'idle' AND query LIKE '%FROM sluice.doorbell WHERE xid >=%' AND query NOT LIKE '%pg_stat_activity%')`)
}

func TestAwaitReturnsOnNotify(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	keyed := b.item()
	keyed.UniqueKey = "k"
	inTx := func(t *testing.T, enqueue func(tx pgx.Tx) error) {
		require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, enqueue))
	}
	many := func(t *testing.T, items ...queue.Item) {
		_, err := b.app.EnqueueMany(t.Context(), items)
		require.NoError(t, err)
	}
	news := map[string]func(t *testing.T){
		"an enqueue":           func(t *testing.T) { b.enqueue(t, b.item()) },
		"many":                 func(t *testing.T) { many(t, b.item(), b.item()) },
		"many, one with a key": func(t *testing.T) { many(t, b.item(), keyed) },
		"an enqueue by SQL": func(t *testing.T) {
			b.exec(t, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
		},
		"an enqueue in a transaction": func(t *testing.T) {
			inTx(t, func(tx pgx.Tx) error {
				_, err := b.app.EnqueueTx(t.Context(), tx, b.item())
				return err
			})
		},
		"many in a transaction": func(t *testing.T) {
			inTx(t, func(tx pgx.Tx) error {
				_, err := b.app.EnqueueManyTx(t.Context(), tx, items(b.item(), 2))
				return err
			})
		},
		"an outcome": func(t *testing.T) { b.end(t, id, "COMPLETED") },
		"a limit":    func(t *testing.T) { b.setLimit(t, "STARTER", 6) },
	}
	for name, happen := range news {
		t.Run(name, func(t *testing.T) {
			done := b.park(t, t.Context(), b.dispatcher, b.mark(t))
			happen(t)
			got := <-done
			require.NoError(t, got.err)
			require.True(t, got.rung)
			require.Less(t, got.took, longPoll/3)
			require.Zero(t, b.parked(t))
		})
	}
}

func TestAwaitReturnsWhenALongTransactionCommits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	_, err := b.app.EnqueueTx(t.Context(), tx, b.item())
	require.NoError(t, err)
	done := b.park(t, t.Context(), b.dispatcher, b.mark(t))
	require.NoError(t, tx.Commit(t.Context()))
	got := <-done
	require.NoError(t, got.err)
	require.True(t, got.rung)
	require.Less(t, got.took, longPoll/3)
}

// An enqueue that began before somebody parked does not know whom to wake; it is found soon after its commit all the same.
func TestAwaitFindsWhatWasUnderWayWhenItParked(t *testing.T) {
	t.Parallel()
	for name, enqueue := range map[string]func(b *bundle) error{
		"one": func(b *bundle) error {
			_, err := b.app.Enqueue(context.Background(), b.item())
			return err
		},
		"many": func(b *bundle) error {
			_, err := b.app.EnqueueMany(context.Background(), items(b.item(), 2))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.exec(t, `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END'`)
			b.exec(t, `CREATE TRIGGER hold BEFORE INSERT ON sluice.execution_queue FOR EACH ROW EXECUTE FUNCTION hold()`)
			holder := b.begin(t)
			_, err := holder.Exec(t.Context(), `SELECT pg_advisory_xact_lock(1)`)
			require.NoError(t, err)
			enqueued := make(chan error, 1)
			go func() { enqueued <- enqueue(b) }()
			b.awaitLockWait(t)
			done := b.park(t, t.Context(), b.dispatcher, b.mark(t))
			require.NoError(t, holder.Rollback(t.Context()))
			require.NoError(t, <-enqueued)
			got := <-done
			require.NoError(t, got.err)
			require.True(t, got.rung)
			require.Less(t, got.took, longPoll/3)
		})
	}
}

func TestAwaitLooksBeforeItWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mark := b.mark(t)
	b.enqueue(t, b.item())
	rung, err := b.dispatcher.Await(t.Context(), 0, mark, time.Time{}, longPoll)
	require.NoError(t, err)
	require.True(t, rung)
	require.Zero(t, b.parked(t))
}

// The poll finds what no NOTIFY has told.
func TestAwaitPolls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `CREATE OR REPLACE FUNCTION sluice.wake(workspace uuid, limits boolean) RETURNS boolean LANGUAGE sql AS 'SELECT true'`)
	mark := b.mark(t)
	done := make(chan awaited, 1)
	go func() {
		rung, err := b.dispatcher.Await(t.Context(), 0, mark, time.Time{}, 10*time.Millisecond)
		done <- awaited{rung: rung, err: err}
	}()
	require.Eventually(t, func() bool { return b.parked(t) == 1 && b.listening(t) }, 10*time.Second, time.Millisecond)
	b.enqueue(t, b.item())
	require.Equal(t, awaited{rung: true}, <-done)
}

func TestAwaitEndsAtUntil(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mark := b.mark(t)
	for _, until := range []time.Time{time.Now().Add(50 * time.Millisecond), time.Now().Add(-time.Second)} {
		rung, err := b.dispatcher.Await(t.Context(), 0, mark, until, longPoll)
		require.NoError(t, err)
		require.False(t, rung)
		require.False(t, time.Now().Before(until))
		require.Zero(t, b.parked(t))
	}
}

// With a single connection in the pool, whatever a wait leaves behind is met by the next statement.
func TestAConnectionThatWaitedIsAsGoodAsNew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool, err := queue.DispatcherPool(t.Context(), b.url, 1)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	single := queue.New(pool)
	for range 3 {
		mark := b.mark(t)
		ctx, stop := context.WithCancel(t.Context())
		done := b.park(t, ctx, single, mark)
		stop()
		got := <-done
		require.ErrorIs(t, got.err, context.Canceled)
		require.Zero(t, b.parked(t), "nobody is parked any more, so nobody is notified")
		require.Empty(t, list[string](t, pool, `SELECT pg_listening_channels()`))

		rung, err := single.Await(t.Context(), 0, mark, time.Now().Add(time.Millisecond), longPoll)
		require.NoError(t, err)
		require.False(t, rung)
		require.Empty(t, list[string](t, pool, `SELECT pg_listening_channels()`))
		require.Zero(t, b.parked(t))
	}
}

// What was notified at the same time as the news that ended a wait is no news to the next one on the connection.
func TestANotificationWakesOneWaitOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool, err := queue.DispatcherPool(t.Context(), b.url, 1)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	single := queue.New(pool)
	done := b.park(t, t.Context(), single, b.mark(t))
	b.exec(t, `SELECT pg_notify('sluice_doorbell', ''), pg_notify('sluice_doorbell', '0')`) // both come with one commit
	require.True(t, (<-done).rung)
	rung, err := single.Await(t.Context(), 0, b.mark(t), time.Now().Add(50*time.Millisecond), longPoll)
	require.NoError(t, err)
	require.False(t, rung)
}

// A wait whose connection breaks must not leave its row behind: everybody's commits would be notified in vain.
func TestAWaitThatBreaksUnparks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	done := b.park(t, t.Context(), b.dispatcher, b.mark(t))
	b.exec(t, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE '%FROM sluice.doorbell WHERE xid >=%' AND pid <> pg_backend_pid()`) // it may just be looking
	got := <-done
	require.Error(t, got.err)
	require.Zero(t, b.parked(t))
	_, err := b.dispatcher.Capacity(t.Context(), 1)
	require.NoError(t, err, "the pool has replaced the connection")
}

func TestASecondWaiterOfAShardKeepsItsPlace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mark := b.mark(t)
	ctx, stop := context.WithCancel(t.Context())
	first := b.park(t, ctx, b.dispatcher, mark)
	token := one[string](t, b.pool, `SELECT token::text FROM sluice.parked`)
	second := make(chan awaited, 1)
	go func() {
		rung, err := b.dispatcher.Await(t.Context(), 0, mark, time.Time{}, longPoll)
		second <- awaited{rung: rung, err: err}
	}()
	require.Eventually(t, func() bool {
		return one[string](t, b.pool, `SELECT token::text FROM sluice.parked`) != token
	}, 10*time.Second, time.Millisecond)
	stop()
	require.ErrorIs(t, (<-first).err, context.Canceled)
	require.Equal(t, 1, b.parked(t), "the first one leaves the second one's row")
	b.enqueue(t, b.item())
	require.Equal(t, awaited{rung: true}, <-second)
	require.Zero(t, b.parked(t))
}

// NOTIFY serialises all commits of a database, so none is sent in vain. Notifications arrive in the order of commits:
// what comes before the last word is all there was.
func TestNobodyIsNotifiedWhileNobodyIsParked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raw, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = raw.Close(context.Background()) })
	_, err = raw.Exec(t.Context(), `LISTEN sluice_doorbell; LISTEN last_word`)
	require.NoError(t, err)

	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	b.end(t, id, "COMPLETED")
	b.setLimit(t, "FREE", 3)
	b.exec(t, `NOTIFY last_word`)
	got, err := raw.WaitForNotification(t.Context())
	require.NoError(t, err)
	require.Equal(t, "last_word", got.Channel)

	done := b.park(t, t.Context(), b.dispatcher, b.mark(t))
	_, err = b.app.EnqueueMany(t.Context(), items(b.item(), 100))
	require.NoError(t, err)
	b.exec(t, `NOTIFY last_word`)
	require.True(t, (<-done).rung)
	var channels []string
	for len(channels) == 0 || channels[len(channels)-1] != "last_word" {
		got, err := raw.WaitForNotification(t.Context())
		require.NoError(t, err)
		channels = append(channels, got.Channel)
	}
	require.Equal(t, []string{"sluice_doorbell", "last_word"}, channels, "one for each transaction that rings")
}
