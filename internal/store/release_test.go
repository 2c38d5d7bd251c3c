package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

func TestStaleClaimsAreReleasedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 4)
	b.claim(t, ids[:3]...)
	b.dispatch(t, ids[3])
	stale := func(most int) []uuid.UUID {
		got, err := store.StaleClaims(t.Context(), b.db, time.Minute, most)
		require.NoError(t, err)
		return got
	}
	require.Empty(t, stale(10))
	for i, id := range ids {
		b.exec(t, `UPDATE sluice.running SET claimed_at = now() - interval '1 hour' + $2::int * interval '1 second' WHERE id = $1 AND $2 <> 2`, id, i)
	}
	require.Equal(t, ids[:2], stale(10), "neither the fresh claim nor the dispatched one")
	require.Equal(t, ids[:1], stale(1), "oldest first")

	var released []uuid.UUID
	news := b.news(t, func() {
		var err error
		released, err = store.Release(t.Context(), b.db, ids, time.Minute)
		require.NoError(t, err)
	})
	require.ElementsMatch(t, ids[:2], released, "the statement judges for itself what is stale")
	require.Len(t, news.Events, 1, "one event tells both")
	require.ElementsMatch(t, ids[:2], news.Events[0].Freed)
	require.Equal(t, []uuid.UUID{b.workspace}, news.Events[0].Workspaces)
	require.ElementsMatch(t, ids[2:], b.held(t))
	for _, id := range ids[:2] {
		got := b.view(t, id)
		require.Equal(t, "PENDING", got.Status)
		require.Zero(t, got.AttemptCount, "no start has failed")
		require.Equal(t, []string{"enqueued", "recovered"}, b.actions(t, id))
	}
	require.True(t, one[bool](t, b.db, `SELECT $1::timestamptz = min(available_at) FROM sluice.pending`, news.Events[0].AvailableAt))
	b.claim(t, ids[:2]...)
	b.checkInvariants(t)

	again, err := store.Release(t.Context(), b.db, ids, time.Minute)
	require.NoError(t, err)
	require.Empty(t, again)
}
