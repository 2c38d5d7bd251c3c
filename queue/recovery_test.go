package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestExpireEndsWhatIsOverdue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.ExpiresAt = inFuture()
	answers, err := b.app.EnqueueMany(t.Context(), items(item, 5))
	require.NoError(t, err)
	lasting := b.enqueue(t, b.item())
	for i, a := range answers[:4] {
		b.exec(t, `UPDATE sluice.execution_queue SET expires_at = now() - $2::int * interval '1 second' WHERE id = $1`, a.QueueID, i)
	}
	for _, want := range []int64{3, 1, 0} {
		got, err := b.dispatcher.Expire(t.Context(), 3)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, a := range answers[:4] {
		got := b.view(t, a.QueueID)
		require.Equal(t, "EXPIRED", got.Status)
		require.Equal(t, "expired", *got.Error)
	}
	require.Equal(t, []uuid.UUID{answers[4].QueueID, lasting}, b.claim(t, 5))
	b.checkInvariants(t)
}

func TestExpirePassesOverWhatIsBeingClaimed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.ExpiresAt = inFuture()
	b.enqueue(t, item)
	b.exec(t, `UPDATE sluice.execution_queue SET expires_at = now()`)
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `SELECT FROM sluice.execution_queue FOR UPDATE`)
	require.NoError(t, err)
	got, err := b.dispatcher.Expire(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, got)
}

func TestRefuseOrphansFailsTheItemsOfADeletedWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gone, definition := b.newWorkspace(t, "globex", "FREE")
	answers, err := b.app.EnqueueMany(t.Context(), items(queue.Item{WorkspaceID: gone, DefinitionID: definition}, 3))
	require.NoError(t, err)
	ours := b.enqueue(t, b.item())
	got, err := b.dispatcher.RefuseOrphans(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, got)
	b.exec(t, `DELETE FROM sluice.workspaces WHERE id = $1`, gone)
	for _, want := range []int64{2, 1, 0} {
		got, err := b.dispatcher.RefuseOrphans(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, a := range answers {
		view := b.view(t, a.QueueID)
		require.Equal(t, "FAILED", view.Status)
		require.Equal(t, "workspace-gone", *view.Error)
	}
	require.Equal(t, []uuid.UUID{ours}, b.claim(t, 5))
	b.checkInvariants(t)
}

func TestStaleClaimsAreReleasedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 4)
	b.claim(t, 4)
	b.dispatch(t, ids[3])
	stale := func(limit int) []uuid.UUID {
		got, err := b.dispatcher.StaleClaims(t.Context(), time.Minute, limit)
		require.NoError(t, err)
		return got
	}
	require.Empty(t, stale(10))
	for i, id := range ids {
		b.exec(t, `UPDATE sluice.slots SET claimed_at = now() - interval '1 hour' + $2::int * interval '1 second' WHERE execution_id = $1 AND $2 <> 2`, id, i)
	}
	require.Equal(t, ids[:2], stale(10), "neither the fresh claim nor the dispatched one")
	require.Equal(t, ids[:1], stale(1), "oldest first")

	mark := b.mark(t)
	released, err := b.dispatcher.Release(t.Context(), ids, time.Minute)
	require.NoError(t, err)
	require.EqualValues(t, 2, released, "it judges for itself what is stale")
	require.True(t, b.rung(t, mark))
	require.ElementsMatch(t, ids[2:], b.held(t))
	for _, id := range ids[:2] {
		got := b.view(t, id)
		require.Equal(t, "PENDING", got.Status)
		require.Zero(t, got.AttemptCount, "nobody has tried")
	}
	require.Equal(t, ids[:2], b.claim(t, 5), "at once, in the old order")
	story, err := b.app.ItemActivity(t.Context(), ids[0])
	require.NoError(t, err)
	require.Equal(t, []string{"enqueued", "recovered", "claimed"}, actions(story))
	b.checkInvariants(t)
}

func TestSlotsAreCheckedInTurn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 3)
	b.claim(t, 3)
	toCheck := func(age time.Duration, limit int) []uuid.UUID {
		got, err := b.dispatcher.SlotsToCheck(t.Context(), age, limit)
		require.NoError(t, err)
		return got
	}
	require.Empty(t, toCheck(0, 10), "claims are no business of this check")
	for _, id := range ids {
		b.dispatch(t, id)
	}
	require.Equal(t, ids, toCheck(0, 10))
	require.Empty(t, toCheck(time.Hour, 10))
	require.Equal(t, ids[:1], toCheck(0, 1))
	news, err := b.dispatcher.Checked(t.Context(), ids[:1], nil)
	require.NoError(t, err)
	require.Empty(t, news)
	require.Equal(t, []uuid.UUID{ids[1], ids[2], ids[0]}, toCheck(0, 10))
}

func TestPruneEndingsDropsOldOnesAndNoCheckMissesThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 2)
	for _, id := range ids {
		b.claim(t, 1)
		b.dispatch(t, b.held(t)...)
		b.end(t, id, "COMPLETED")
	}
	b.exec(t, `UPDATE sluice.endings SET at = now() - interval '8 days' WHERE $1 = ANY (ids) OR ids = '{}'`, ids[0])
	got, err := b.dispatcher.PruneEndings(t.Context(), 7*24*time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 2, got)
	held, err := b.dispatcher.HeldSlots(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Len(t, held, 2, "from before the first that is left, all are looked at")
}

func TestPruneDoorbellDropsOldBells(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueueN(t, 3)
	b.exec(t, `UPDATE sluice.doorbell SET rung_at = now() - interval '1 hour' WHERE xid = (SELECT min(xid::text::bigint)::text::xid8 FROM sluice.doorbell)`)
	got, err := b.dispatcher.PruneDoorbell(t.Context(), time.Minute)
	require.NoError(t, err)
	require.EqualValues(t, 1, got)
	require.Equal(t, 2, one[int](t, b.pool, `SELECT count(*) FROM sluice.doorbell`))
}
