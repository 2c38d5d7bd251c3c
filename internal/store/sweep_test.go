package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

func TestExpireEndsWhatIsOverdue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 6)
	b.exec(t, `UPDATE sluice.pending SET expires_at = now() + interval '1 hour' WHERE id = $1`, ids[4])
	for i, id := range ids[:4] {
		b.exec(t, `UPDATE sluice.pending SET expires_at = now() - $2::int * interval '1 second' WHERE id = $1`, id, i)
	}
	for _, want := range []int64{3, 1, 0} {
		got, err := store.Expire(t.Context(), b.db, 3)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, id := range ids[:4] {
		got := b.view(t, id)
		require.Equal(t, "EXPIRED", got.Status)
		require.Equal(t, "expired", *got.Error)
	}
	for _, id := range ids[4:] {
		require.Equal(t, "PENDING", b.view(t, id).Status)
	}
	b.checkInvariants(t)
}

func TestExpirePassesOverWhatIsBeingClaimed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, 1)
	b.exec(t, `UPDATE sluice.pending SET expires_at = now()`)
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `SELECT FROM sluice.pending FOR UPDATE`)
	require.NoError(t, err)
	got, err := store.Expire(t.Context(), b.db, 10)
	require.NoError(t, err)
	require.Zero(t, got)
}

func TestRefuseOrphansFailsTheItemsOfADeletedWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ours := b.enqueue(t, 2)
	gone := &bundle{db: b.db}
	gone.workspace, gone.definition = b.newWorkspace(t, "globex")
	orphans := gone.enqueue(t, 3)
	got, err := store.RefuseOrphans(t.Context(), b.db, 10)
	require.NoError(t, err)
	require.Zero(t, got)
	b.exec(t, `DELETE FROM sluice.workspaces WHERE id = $1`, gone.workspace)
	for _, want := range []int64{2, 1, 0} {
		got, err := store.RefuseOrphans(t.Context(), b.db, 2)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, id := range orphans {
		view := b.view(t, id)
		require.Equal(t, "FAILED", view.Status)
		require.Equal(t, "workspace-gone", *view.Error)
	}
	for _, id := range ours {
		require.Equal(t, "PENDING", b.view(t, id).Status)
	}
	b.checkInvariants(t)
}

func TestOnlyOldEventsAreDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 5)
	b.exec(t, `UPDATE sluice.events SET at = now() - interval '1 hour' WHERE item_id = ANY ($1)`, ids[:3])
	for _, want := range []int64{2, 1, 0} {
		got, err := store.PruneEvents(t.Context(), b.db, time.Minute, 2)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Equal(t, 2, one[int](t, b.db, `SELECT count(*) FROM sluice.events`))
}

func TestTheNewestTurnOfAShardIsKeptHoweverOld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		b.claim(t, b.enqueue(t, 1)...)
	}
	b.exec(t, `INSERT INTO sluice.turns (shard, turn, kind) SELECT 7, turn, 'claim' FROM generate_series(1, 4) AS turn`)
	b.exec(t, `UPDATE sluice.turns SET at = now() - interval '2 hours' WHERE shard = 7 OR turn <= 1`)
	newest := b.turn(t)
	for _, want := range []int64{4, 2, 0} { // turns 0 and 1 of shard 0, and 0 to 3 of shard 7
		got, err := store.PruneTurns(t.Context(), b.db, time.Hour, 4)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Equal(t, newest, b.turn(t))
	require.Equal(t, []int64{4}, list[int64](t, b.db, `SELECT turn FROM sluice.turns WHERE shard = 7`))
	require.Equal(t, []int64{2, 3}, list[int64](t, b.db, `SELECT turn FROM sluice.turns WHERE shard = 0 ORDER BY turn`))
	require.Equal(t, 62, one[int](t, b.db, `SELECT count(*) FROM sluice.turns WHERE shard NOT IN (0, 7)`), "the first of a shard is its newest")
	b.claim(t, b.enqueue(t, 1)...)
}

func TestReplaysAreForgottenWithWhatTheyReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO sluice.replays (replay_of, queue_id, workspace_id, at)
		SELECT gen_random_uuid(), gen_random_uuid(), $1, now() - n * interval '1 day' FROM generate_series(25, 34) AS n`, b.workspace)
	b.exec(t, `UPDATE sluice.settings SET retention = '0'`)
	n, err := store.PruneReplays(t.Context(), b.db, 10)
	require.NoError(t, err)
	require.Zero(t, n)
	b.exec(t, `UPDATE sluice.settings SET retention = '30 days'`)
	b.exec(t, `INSERT INTO sluice.partitions VALUES ('ended_of_a_month', 'ended', now() - interval '40 days', now() - interval '9 days')`)
	n, err = store.PruneReplays(t.Context(), b.db, 10)
	require.NoError(t, err)
	require.Zero(t, n, "what was replayed is there as long as its partition, and would be replayed again")
	b.exec(t, `DELETE FROM sluice.partitions WHERE name = 'ended_of_a_month'`)
	for _, want := range []int64{3, 2, 0} {
		n, err := store.PruneReplays(t.Context(), b.db, 3)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}
