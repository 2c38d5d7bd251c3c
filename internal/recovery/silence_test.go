package recovery

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

// A database whose clock was an hour ahead leaves times from the future.
func TestTimesFromTheFutureStopNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	closed, claimed := b.run(t, 1)[0], b.run(t, 1)[0]
	b.exec(t, `UPDATE sluice.running SET checked_at = now() + interval '1 hour'`)
	b.exec(t, `UPDATE sluice.running SET dispatched_at = NULL, claimed_at = now() + interval '1 hour' WHERE id = $1`, claimed)
	b.exec(t, `INSERT INTO sluice.recovery (looked_at) VALUES (now() + interval '1 hour')`)
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
	require.Equal(t, "TERMINATED", b.status(t, closed))
	require.WithinDuration(t, time.Now(), b.lookedUntil(t), time.Minute)
	released, err := b.ReleaseStale(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, released.Released)
	require.Equal(t, "PENDING", b.status(t, claimed))
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
