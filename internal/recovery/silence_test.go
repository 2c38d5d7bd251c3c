package recovery

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

// A database whose clock was an hour ahead leaves times from the future.
func TestTimesFromTheFutureStopNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	closed, cancelled, claimed, aside := b.run(t, 1)[0], b.run(t, 1)[0], b.run(t, 1)[0], b.run(t, 1)[0]
	b.has(cancelled, workflow{runID: firstRun(cancelled), status: running})
	b.exec(t, `UPDATE sluice.running SET checked_at = now() + interval '1 hour'`)
	b.exec(t, `UPDATE sluice.running SET cancel_asked_at = now() + interval '1 hour' WHERE id = $1`, cancelled)
	b.exec(t, `UPDATE sluice.running SET dispatched_at = NULL, claimed_at = now() + interval '1 hour' WHERE id = $1`, claimed)
	b.exec(t, `UPDATE sluice.running SET dispatched_at = NULL, start_again_at = now() + interval '1 hour' WHERE id = $1`, aside)
	b.exec(t, `INSERT INTO sluice.recovery (looked_at) VALUES (now() + interval '1 hour')`)
	require.Equal(t, Report{Checked: 2, Repaired: 2}, b.pass(t))
	require.Equal(t, "TERMINATED", b.status(t, closed))
	require.Equal(t, "TERMINATED", b.status(t, cancelled))
	require.WithinDuration(t, time.Now(), b.lookedUntil(t), time.Minute)
	released, err := b.ReleaseStale(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, released.Released)
	require.Equal(t, "PENDING", b.status(t, claimed))
	require.Equal(t, "PENDING", b.status(t, aside))
}

func TestAnOperatorSeesThatRecoveryFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	failing := func() *facts.Failing {
		f, err := facts.RecoveryFailing(t.Context(), b.db)
		require.NoError(t, err)
		return f
	}
	answering := b.temporal.lists
	b.temporal.lists = func(context.Context) error { return errors.New("namespace rate limit exceeded") }
	_, err := b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, ErrLists)
	require.Nil(t, failing(), "one pass alone says nothing")
	for range 2 {
		_, err = b.Pass(t.Context(), &b.known)
		require.ErrorIs(t, err, ErrLists)
	}
	first := failing()
	require.NotNil(t, first)
	require.Contains(t, first.Error, "namespace rate limit exceeded")
	_, err = b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, ErrLists)
	require.Equal(t, first.Since, failing().Since)
	b.temporal.lists = answering
	b.pass(t)
	require.Nil(t, failing())
}

// What was enqueued while the database's clock was a day ahead waits no day, and is found when it has ended.
func TestWhatWasEnqueuedByAClockThatWasAheadIsAvailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now, scheduled, claimed := b.enqueue(t, 1)[0], b.enqueue(t, 1)[0], b.enqueue(t, 1)[0]
	b.exec(t, `UPDATE sluice.pending SET created_at = now() + interval '1 day', available_at = now() + CASE WHEN id = $1 THEN interval '25 hours' ELSE interval '1 day' END`, scheduled)
	locked, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = locked.Rollback(t.Context()) }()
	_, err = locked.Exec(t.Context(), `SELECT FROM sluice.pending WHERE id = $1 FOR UPDATE`, claimed)
	require.NoError(t, err)
	available := func() []uuid.UUID {
		return list[uuid.UUID](t, b.db, `SELECT id FROM sluice.pending WHERE available_at <= now()`)
	}

	b.sweep(t)
	require.Empty(t, available(), "no event tells of such a time")
	b.exec(t, `UPDATE sluice.events SET at = now() + interval '1 day'`)
	b.sweep(t)
	require.Equal(t, []uuid.UUID{now}, available())
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.events WHERE at <= now() AND workspaces = ARRAY[$1::uuid] AND available_at <= now()`, b.workspace))
	require.NoError(t, locked.Rollback(t.Context()))
	b.sweep(t)
	require.ElementsMatch(t, []uuid.UUID{now, claimed}, available())
}
