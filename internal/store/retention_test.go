package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/internal/store/facts"
)

func (b *bundle) expired(t *testing.T) (names []string) {
	t.Helper()
	expired, err := store.ExpiredPartitions(t.Context(), b.db)
	require.NoError(t, err)
	for _, p := range expired {
		names = append(names, p.Name)
	}
	return names
}

func (b *bundle) drop(t *testing.T, p store.Partition) bool {
	t.Helper()
	dropped, err := store.DropPartition(t.Context(), b.db, p)
	require.NoError(t, err)
	return dropped
}

func TestNothingYoungerThanTheRetentionIsDropped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, young, log := b.partition(t, "ended", -32, -31), b.partition(t, "ended", -30, -29), b.partition(t, "activity_log", -40, -39)
	ids := b.enqueue(t, 3)
	for i, days := range []float64{-31.5, -29.5, 0} {
		b.run(t, ids[i])
		b.endedAt(t, ids[i], days)
	}
	require.Equal(t, []string{log.Name, old.Name}, b.expired(t))
	require.False(t, b.drop(t, young), "its last moment is younger than the retention")
	require.False(t, b.drop(t, store.Partition{Name: "ended_rest"}))
	require.False(t, b.drop(t, store.Partition{Name: "ended"}))

	b.retain(t, "0")
	require.Empty(t, b.expired(t), "0 keeps all")
	require.False(t, b.drop(t, old))
	b.retain(t, "30 days")
	require.True(t, b.drop(t, old))
	require.True(t, b.drop(t, log))
	require.False(t, b.drop(t, old), "it is gone")
	require.Empty(t, b.expired(t))
	require.ElementsMatch(t, ids[1:], list[uuid.UUID](t, b.db, `SELECT id FROM sluice.ended`))
	b.retain(t, "28 days")
	require.Equal(t, []string{young.Name}, b.expired(t), "a shorter retention holds at once")
}

// The retention counts from the end, however long an item has waited before.
func TestAnItemIsKeptForTheRetentionAfterItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.MustParse("01900000-0000-7000-8000-000000000001") // of June 2024
	b.exec(t, `UPDATE sluice.pending SET id = $2, created_at = '2024-06-09', available_at = '2024-06-09' WHERE id = $1`, b.enqueue(t, 1)[0], id)
	b.run(t, id)
	b.retain(t, "1 day")
	require.Empty(t, b.expired(t))
	require.Equal(t, "COMPLETED", *b.view(t, id).ExecutionStatus)
	last := b.partition(t, "ended", -3, -2)
	b.endedAt(t, id, -2.5)
	require.Equal(t, []string{last.Name}, b.expired(t))
	require.True(t, b.drop(t, last))
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.ended`))
}

func TestWhatAPartitionLeavesElsewhereIsDeletedInBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.partition(t, "ended", -40, -39)
	var gone, kept []uuid.UUID
	for i, days := range []float64{-39.5, -39.5, -39.5, 0} {
		id := b.enqueueUnique(t, "key "+string(rune('a'+i)), nil)
		b.exec(t, `UPDATE sluice.pending SET input = NULL WHERE id = $1`, id)
		b.exec(t, `INSERT INTO sluice.inputs VALUES ($1, '{}')`, id)
		b.run(t, id)
		b.endedAt(t, id, days)
		if days < 0 {
			gone = append(gone, id)
		} else {
			kept = append(kept, id)
		}
	}
	b.retain(t, "0")
	last, err := store.ReleasePartition(t.Context(), b.db, old, uuid.Nil, 2)
	require.NoError(t, err)
	require.Equal(t, uuid.Nil, last, "nothing is released that is retained")
	b.retain(t, "30 days")
	for _, want := range []uuid.UUID{gone[1], gone[2], uuid.Nil} {
		last, err = store.ReleasePartition(t.Context(), b.db, old, last, 2)
		require.NoError(t, err)
		require.Equal(t, want, last)
	}
	require.Equal(t, kept, list[uuid.UUID](t, b.db, `SELECT id FROM sluice.inputs`))
	require.Equal(t, []string{"key d"}, b.keys(t))
	require.True(t, b.drop(t, old))
}

// An enqueue in a long transaction is about to take a key over: neither it nor the release waits.
func TestAKeyThatAnEnqueueHoldsIsLeftToIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.partition(t, "ended", -40, -39)
	id := b.enqueueUnique(t, "k", new(time.Duration(0)))
	b.run(t, id)
	b.endedAt(t, id, -39.5)
	tx := b.begin(t)
	second := one[uuid.UUID](t, tx, `SELECT (sluice.enqueue($1, $2, unique_key => 'k') ->> 'queueId')::uuid`, b.workspace, b.definition)
	last, err := store.ReleasePartition(t.Context(), b.db, old, uuid.Nil, 10)
	require.NoError(t, err)
	require.Equal(t, id, last)
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, []uuid.UUID{second}, list[uuid.UUID](t, b.db, `SELECT queue_id FROM sluice.unique_keys`))
}

// A dump may read for hours. Outcomes and enqueues wait a moment behind each attempt to drop what it has read.
func TestADropBehindALongTransactionLetsOutcomesPass(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.partition(t, "ended", -40, -39)
	long := b.begin(t)
	require.Zero(t, one[int](t, long, `SELECT count(*) FROM sluice.ended`))

	var attempts atomic.Int32
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	dropped := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			yes, err := store.DropPartition(t.Context(), b.db, old)
			attempts.Add(1)
			if yes || err != nil {
				dropped <- err
				return
			}
		}
	}()
	for attempts.Load() < 5 {
		id := b.enqueueUnique(t, "key", new(time.Duration(0))) // looks the last item of the key up
		b.dispatch(t, id)
		tx := b.begin(t)
		_, err := tx.Exec(t.Context(), `SET LOCAL lock_timeout = '20s'`) // an attempt waits for 100 ms; one that waited for the long transaction would never end
		require.NoError(t, err)
		recorded, err := store.RecordOutcome(t.Context(), tx, store.Outcome{ExecutionID: id, Status: "COMPLETED"})
		require.NoError(t, err)
		require.True(t, recorded)
		require.NoError(t, tx.Commit(t.Context()))
	}
	require.Empty(t, dropped)
	require.Equal(t, []string{old.Name}, b.expired(t))
	require.NoError(t, long.Commit(t.Context()))
	require.NoError(t, <-dropped)
	require.Empty(t, b.expired(t))
}

// An operator detaches a partition to keep it elsewhere.
func TestADetachedPartitionIsNotTouched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.partition(t, "ended", -40, -39)
	id := b.enqueue(t, 1)[0]
	b.run(t, id)
	b.endedAt(t, id, -39.5)
	b.exec(t, `ALTER TABLE sluice.ended DETACH PARTITION sluice.`+old.Name)
	require.True(t, b.drop(t, old))
	require.Empty(t, b.expired(t))
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.`+old.Name))

	other := b.partition(t, "ended", -50, -49)
	b.exec(t, `DROP TABLE sluice.`+other.Name)
	require.True(t, b.drop(t, other), "it has been dropped by hand")
}

func TestOldItemsInTheRestAreDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids []uuid.UUID
	for i, days := range []float64{-40, -35, -31, -29} { // there is no partition for these days
		id := b.enqueueUnique(t, "key "+string(rune('a'+i)), nil)
		b.exec(t, `UPDATE sluice.pending SET input = NULL WHERE id = $1`, id)
		b.exec(t, `INSERT INTO sluice.inputs VALUES ($1, '{}')`, id)
		b.run(t, id)
		b.endedAt(t, id, days)
		b.exec(t, `INSERT INTO sluice.activity_log (at, actor, action) VALUES (now() + $1 * interval '1 day', 'ann', 'paused')`, days)
		ids = append(ids, id)
	}
	for _, prune := range []func(context.Context, store.DB, int) (int64, error){store.PruneRest, store.PruneRestOfLog} {
		b.retain(t, "0")
		n, err := prune(t.Context(), b.db, 10)
		require.NoError(t, err)
		require.Zero(t, n, "0 keeps all")
		b.retain(t, "30 days")
		for _, want := range []int64{2, 1, 0} {
			n, err := prune(t.Context(), b.db, 2)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
	}
	require.Equal(t, ids[3:], list[uuid.UUID](t, b.db, `SELECT id FROM sluice.ended`))
	require.Equal(t, ids[3:], list[uuid.UUID](t, b.db, `SELECT id FROM sluice.inputs`))
	require.Equal(t, []string{"key d"}, b.keys(t))
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.activity_log WHERE action = 'paused'`))
}

// Postgres refuses to delete from a published table that has neither a key nor a replica identity.
func TestAPublicationOfAllTablesDoesNotStopTheSweep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, b.enqueueUnique(t, "k", new(time.Duration(0))))
	b.endedAt(t, one[uuid.UUID](t, b.db, `SELECT id FROM sluice.ended`), -40)
	b.exec(t, `INSERT INTO sluice.activity_log (at, actor, action) VALUES (now() - interval '40 days', 'ann', 'paused')`)
	b.exec(t, `CREATE PUBLICATION everything FOR ALL TABLES`)
	prune := map[string]func() (int64, error){
		"events": func() (int64, error) { return store.PruneEvents(t.Context(), b.db, 0, 10) },
		"turns":  func() (int64, error) { return store.PruneTurns(t.Context(), b.db, 0, 10) },
		"rest":   func() (int64, error) { return store.PruneRest(t.Context(), b.db, 10) },
		"log":    func() (int64, error) { return store.PruneRestOfLog(t.Context(), b.db, 10) },
	}
	for name, of := range prune {
		n, err := of()
		require.NoError(t, err, name)
		require.NotZero(t, n, name)
	}
	b.run(t, b.enqueueUnique(t, "k", new(time.Duration(0))))
	n, _ := b.pruneKeys(t, store.UniqueKey{}, 10)
	require.EqualValues(t, 1, n)
	require.True(t, b.drop(t, b.partition(t, "activity_log", -40, -39)))
	for _, made := range list[string](t, b.db, `SELECT name FROM sluice.partitions WHERE parent = 'activity_log'`) {
		b.exec(t, `INSERT INTO sluice.activity_log (at, actor, action) SELECT from_at, 'ann', 'noted' FROM sluice.partitions WHERE name = $1`, made)
	}
	b.exec(t, `DELETE FROM sluice.activity_log`)
}

// Room is sometimes made by hand, and then what belonged to the items must not stay: an audit would take the key for that of an
// item that is lost.
func TestWhatIsDeletedByHandTakesAlongWhatBelongsToIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	key, large, kept := b.enqueueUnique(t, "k", nil), b.enqueueLarge(t), b.enqueueLarge(t)
	b.run(t, key)
	b.run(t, large)
	b.exec(t, `DELETE FROM sluice.ended WHERE ended_at < now() + interval '1 minute'`)
	require.Empty(t, list[string](t, b.db, `SELECT unique_key FROM sluice.unique_keys`))
	require.Equal(t, []uuid.UUID{kept}, list[uuid.UUID](t, b.db, `SELECT id FROM sluice.inputs`))
	checked, err := facts.CheckPlaces(t.Context(), b.db, time.Time{}, 10)
	require.NoError(t, err)
	require.Zero(t, checked.Broken)
}

// What a partition, or a line of pending, took along that nobody told of is found by the sweep.
func TestInputsOfNobodyAreDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var kept []uuid.UUID
	for range 5 {
		gone, pending, ended := b.enqueueLarge(t), b.enqueueLarge(t), b.enqueueLarge(t)
		b.exec(t, `DELETE FROM sluice.pending WHERE id = $1`, gone)
		b.run(t, ended)
		kept = append(kept, pending, ended)
	}
	var deleted int64
	last, pages := uuid.Nil, 0
	for pages == 0 || last != uuid.Nil {
		n, next, err := store.PruneInputs(t.Context(), b.db, last, 4)
		require.NoError(t, err)
		deleted, last, pages = deleted+n, next, pages+1
	}
	require.EqualValues(t, 5, deleted)
	require.Equal(t, 4, pages)
	require.ElementsMatch(t, kept, list[uuid.UUID](t, b.db, `SELECT id FROM sluice.inputs`))
}

// The limits of a workspace that is gone are kept while claims are that were made beside it.
func TestLimitsOfDeletedWorkspacesAreDeletedAfterTheRetention(t *testing.T) {
	t.Parallel()
	b := setup(t)
	young, _ := b.newWorkspace(t, "young")
	b.exec(t, `DELETE FROM sluice.workspaces`)
	b.exec(t, `UPDATE sluice.limit_changes SET at = now() - interval '31 days' WHERE workspace_id <> $1`, young)
	n, err := store.PruneLimits(t.Context(), b.db, 100)
	require.NoError(t, err)
	require.EqualValues(t, 2, n, "its creation and its deletion")
	require.Equal(t, []uuid.UUID{young}, list[uuid.UUID](t, b.db, `SELECT DISTINCT workspace_id FROM sluice.limit_changes WHERE workspace_id IS NOT NULL`))
	b.exec(t, `UPDATE sluice.settings SET retention = '0'`)
	b.exec(t, `UPDATE sluice.limit_changes SET at = now() - interval '10 years'`)
	n, err = store.PruneLimits(t.Context(), b.db, 100)
	require.NoError(t, err)
	require.Zero(t, n)
}
