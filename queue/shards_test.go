package queue_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func (b *bundle) setShards(t *testing.T, n int) {
	t.Helper()
	require.NoError(t, b.app.SetShards(t.Context(), n, "ann"))
}

func (b *bundle) setCohort(t *testing.T, workspace uuid.UUID, name string) {
	t.Helper()
	_, err := b.app.SetWorkspace(t.Context(), workspace, queue.WorkspaceChange{Cohort: &queue.Change[string]{To: &name}}, "ann")
	require.NoError(t, err)
}

// owner is the shard that a workspace belongs to, of so many.
func (b *bundle) owner(t *testing.T, workspace uuid.UUID, shards int) int {
	t.Helper()
	return one[int](t, b.pool, `SELECT sluice.shard_of(id, cohort, $2) FROM sluice.workspaces WHERE id = $1`, workspace, shards)
}

// workspaceOf creates a workspace that belongs to this one of two shards.
func (b *bundle) workspaceOf(t *testing.T, shard int) (workspace, definition uuid.UUID) {
	t.Helper()
	for {
		workspace, definition = b.newWorkspace(t, "w", "STARTER")
		if b.owner(t, workspace, 2) == shard {
			return workspace, definition
		}
	}
}

// fenceOf opens an epoch for a shard.
func (b *bundle) fenceOf(t *testing.T, shard int) queue.Fence {
	t.Helper()
	epoch, err := b.dispatcher.OpenEpoch(t.Context(), shard, "run-of-"+strconv.Itoa(shard))
	require.NoError(t, err)
	return queue.Fence{Shard: shard, Epoch: epoch}
}

func (b *bundle) claimFor(t *testing.T, fence *queue.Fence, workspace uuid.UUID, n int) int {
	t.Helper()
	fence.Cycle++
	claimed, err := b.dispatcher.Claim(t.Context(), *fence, []queue.Grant{{WorkspaceID: workspace, Slots: n, Limit: starterLimit}})
	require.NoError(t, err)
	return claimed.New
}

// Whatever N is, each workspace belongs to one shard, all shards have some, and the members of a cohort stay together.
func TestEachWorkspaceBelongsToOneShardAndACohortStaysTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO sluice.workspaces (name, plan, cohort) SELECT 'w' || n, 'STARTER', CASE WHEN n % 4 = 0 THEN 'c' || n % 40 END
		FROM generate_series(1, 400) AS n`)
	b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, enqueued_by)
		SELECT sluice.uuid_v7(), id, gen_random_uuid(), 'x' FROM sluice.workspaces WHERE name LIKE 'w%'`)
	for _, n := range []int{1, 2, 3, 7} {
		b.setShards(t, n)
		owners, cohorts := map[uuid.UUID]int{}, map[string]int{}
		for shard := range n + 2 { // and no shard that there is not
			capacity, err := b.dispatcher.Shard(shard).Capacity(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, n, capacity.Shards)
			if shard >= n {
				require.Empty(t, capacity.Workspaces)
				continue
			}
			require.Greater(t, len(capacity.Workspaces), 400/n/3, "shard %d of %d", shard, n)
			for _, w := range capacity.Workspaces {
				require.NotContains(t, owners, w.WorkspaceID)
				owners[w.WorkspaceID] = shard
				if w.Cohort != nil {
					home, known := cohorts[*w.Cohort]
					require.True(t, !known || home == shard, "cohort %s is in shards %d and %d", *w.Cohort, home, shard)
					cohorts[*w.Cohort] = shard
				}
			}
			for _, c := range capacity.Cohorts {
				require.Equal(t, shard, cohorts[c.Cohort])
			}
		}
		require.Equal(t, 400, len(owners))
	}
}

// Grants for a workspace of another shard claim nothing, whoever decided on them and when.
func TestAShardClaimsAndDispatchesForItsWorkspacesOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	workspace, definition := b.workspaceOf(t, 1)
	_, err := b.app.EnqueueMany(t.Context(), items(queue.Item{WorkspaceID: workspace, DefinitionID: definition}, 5))
	require.NoError(t, err)
	zero, first := b.fenceOf(t, 0), b.fenceOf(t, 1)
	require.Zero(t, b.claimFor(t, &first, workspace, 1), "there is one shard, and this is not it")
	require.Equal(t, 1, b.claimFor(t, &zero, workspace, 1))

	b.setShards(t, 2)
	require.Zero(t, b.claimFor(t, &zero, workspace, 5))
	require.Equal(t, 4, b.claimFor(t, &first, workspace, 5), "it sees the slot that the other one has taken")
	_, claims, err := b.dispatcher.BeginDispatch(t.Context(), zero, 10)
	require.NoError(t, err)
	require.Empty(t, claims)
	_, claims, err = b.dispatcher.BeginDispatch(t.Context(), first, 10)
	require.NoError(t, err)
	require.Len(t, claims, 5, "it takes up what the other one has claimed")

	b.setShards(t, 1)
	claims, err = b.dispatcher.Undispatched(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, claims, 5)
}

// holdClaim begins a claim that does not end: it holds what lockClaimsSQL locks.
func holdClaim(t *testing.T, b *bundle, shard int) (end func()) {
	t.Helper()
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), `SELECT FROM sluice.dispatchers WHERE shard = $1 FOR NO KEY UPDATE`, shard)
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Commit(t.Context())) }
}

// The owner changes between claims: a change waits for those that are under way, and those that follow wait for it.
func TestOwnersChangeBetweenClaims(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(b *bundle) error{
		"shards": func(b *bundle) error { return b.app.SetShards(context.Background(), 2, "ann") },
		"cohort": func(b *bundle) error {
			_, err := b.app.SetWorkspace(context.Background(), b.workspace, queue.WorkspaceChange{Cohort: &queue.Change[string]{To: new("c")}}, "ann")
			return err
		},
		"global limit": func(b *bundle) error {
			_, err := b.app.Set(context.Background(), queue.SettingsChange{MaxConcurrentWorkflows: &queue.Change[int]{To: new(10)}}, "ann")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fenceOf(t, 0)
			fence := b.fenceOf(t, 1)
			end := holdClaim(t, b, 0)
			changed, claimed := make(chan error, 1), make(chan error, 1)
			go func() { changed <- change(b) }()
			b.awaitLockWait(t)
			go func() { // of another shard, which nothing else keeps waiting
				_, err := b.dispatcher.Claim(context.Background(), queue.Fence{Shard: 1, Epoch: fence.Epoch, Cycle: 1}, b.grant(1))
				claimed <- err
			}()
			b.awaitLockWaits(t, 2)
			require.Empty(t, changed)
			end()
			require.NoError(t, <-changed)
			require.NoError(t, <-claimed)
		})
	}
}

func TestAnOpenTransactionThatChangesAnOwnerKeepsNoClaimWaiting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, b.item())
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `UPDATE sluice.workspaces SET cohort = 'c'`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE sluice.settings SET shards = 2, max_concurrent_workflows = 10`)
	require.NoError(t, err)
	require.Len(t, b.claim(t, 1), 1)
	require.NoError(t, tx.Commit(t.Context()))
}

func TestAChangeThatWaitsTooLongChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fenceOf(t, 0)
	end := holdClaim(t, b, 0)
	err := b.app.SetShards(t.Context(), 2, "ann")
	require.ErrorIs(t, err, queue.ErrBusy)
	require.ErrorContains(t, err, "claims have been under way for 5 s, so nothing was changed (try again")
	end()
	n, err := b.app.Shards(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// A dispatch that has read its claims before the owner changed, there and back, undoes none of them.
func TestADispatchFromBeforeTheChangeUndoesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	workspace, definition := b.workspaceOf(t, 1)
	id := b.enqueue(t, queue.Item{WorkspaceID: workspace, DefinitionID: definition})
	zero := b.fenceOf(t, 0)
	require.Equal(t, 1, b.claimFor(t, &zero, workspace, 1))
	before, claims, err := b.dispatcher.BeginDispatch(t.Context(), zero, 10)
	require.NoError(t, err)
	require.Len(t, claims, 1)

	b.setShards(t, 2)
	first := b.fenceOf(t, 1)
	_, claims, err = b.dispatcher.BeginDispatch(t.Context(), first, 10)
	require.NoError(t, err)
	require.Len(t, claims, 1, "the new owner is about to start it")
	for _, n := range []int{2, 1} {
		b.setShards(t, n)
		undone, err := b.dispatcher.Requeue(t.Context(), before, []queue.FailedStart{failedStart(id)}, queue.RetryPolicy{MaxAttempts: 3})
		require.NoError(t, err)
		require.Zero(t, undone)
		require.Equal(t, "CLAIMED", b.view(t, id).Status)
	}
	after, _, err := b.dispatcher.BeginDispatch(t.Context(), zero, 10)
	require.NoError(t, err)
	undone, err := b.dispatcher.Requeue(t.Context(), after, []queue.FailedStart{failedStart(id)}, queue.RetryPolicy{MaxAttempts: 3})
	require.NoError(t, err)
	require.Equal(t, 1, undone.Pending, "it is the owner's again")
	b.checkInvariants(t)
}

func TestABellWakesTheOwnerAndALimitWakesAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.setShards(t, 2)
	workspace, definition := b.workspaceOf(t, 1)
	heard := func(mark queue.Mark) (all [2]bool) {
		for shard := range all {
			var err error
			all[shard], err = b.dispatcher.Shard(shard).Rung(t.Context(), mark)
			require.NoError(t, err)
		}
		return all
	}
	mark := b.mark(t)
	require.Equal(t, [2]bool{}, heard(mark))
	b.enqueue(t, queue.Item{WorkspaceID: workspace, DefinitionID: definition})
	require.Equal(t, [2]bool{false, true}, heard(mark))

	other, definitionOfOther := b.workspaceOf(t, 0)
	both := []queue.Item{{WorkspaceID: workspace, DefinitionID: definition}, {WorkspaceID: other, DefinitionID: definitionOfOther}}
	memories := [2]*queue.Memory{b.dispatcher.Shard(0).Memory(), b.dispatcher.Shard(1).Memory()}
	for many, want := range [][2]bool{{}, {false, true}, {true, true}} {
		for _, memory := range memories {
			_, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
			require.NoError(t, err)
		}
		mark = b.mark(t)
		_, err := b.app.EnqueueMany(t.Context(), both[:many])
		require.NoError(t, err)
		require.Equal(t, want, heard(mark), "one bell of %d workspaces", many)
	}
	for shard, memory := range memories {
		c, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
		require.NoError(t, err)
		require.True(t, memory.Known())
		require.Equal(t, []uuid.UUID{both[1-shard].WorkspaceID}, ready(c))
	}

	for name, change := range map[string]func(){
		"tier":   func() { b.setLimit(t, "FREE", 9) },
		"plan":   func() { _, err := b.app.SetPlan(t.Context(), workspace, "PRO", "ann"); require.NoError(t, err) },
		"cohort": func() { b.setCohort(t, workspace, "c") },
		"shards": func() { b.setShards(t, 3) },
	} {
		mark = b.mark(t)
		change()
		require.Equal(t, [2]bool{true, true}, heard(mark), name)
	}
	_, err := b.app.Set(t.Context(), queue.SettingsChange{MaxConcurrentWorkflows: &queue.Change[int]{To: new(10)}}, "ann")
	require.NoError(t, err)
	mark = b.mark(t)
	b.enqueue(t, queue.Item{WorkspaceID: workspace, DefinitionID: definition})
	require.Equal(t, [2]bool{true, true}, heard(mark), "under a limit that they share, everything concerns everybody")
}

func ready(c queue.Capacity) (workspaces []uuid.UUID) {
	for _, w := range c.Workspaces {
		workspaces = append(workspaces, w.WorkspaceID)
	}
	return workspaces
}

// A parked dispatcher is notified of its own bells, and an enqueue for another one notifies nobody.
func TestOnlyTheOwnersParkingMakesAnEnqueueNotify(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.setShards(t, 2)
	mark := b.mark(t)
	woken := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		_, err := b.dispatcher.Await(ctx, 0, mark, time.Time{}, time.Hour)
		woken <- err
	}()
	require.Eventually(t, func() bool { return one[int](t, b.pool, `SELECT count(*) FROM sluice.parked`) == 1 }, 10*time.Second, time.Millisecond)
	conn, err := b.pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `LISTEN sluice_doorbell`)
	require.NoError(t, err)
	payload := func() string {
		limited, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		note, err := conn.Conn().WaitForNotification(limited)
		require.NoError(t, err)
		return note.Payload
	}
	other, definition := b.workspaceOf(t, 1)
	b.enqueue(t, queue.Item{WorkspaceID: other, DefinitionID: definition})
	require.Empty(t, woken)
	own, definition := b.workspaceOf(t, 0)
	b.enqueue(t, queue.Item{WorkspaceID: own, DefinitionID: definition})
	require.Equal(t, "0", payload(), "the first notification is the owner's")
	require.NoError(t, <-woken)
}

// One statement frees slots of workspaces of several shards, and rings once: it wakes each of their dispatchers.
func TestOutcomesOfSeveralShardsWakeEachOfThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.setShards(t, 2)
	var ids []uuid.UUID
	for shard := range 2 {
		workspace, definition := b.workspaceOf(t, shard)
		b.workspace, b.definition = workspace, definition
		for range 2 {
			ids = append(ids, b.enqueue(t, b.item()))
		}
		fence := b.fenceOf(t, shard)
		fence.Cycle = 1
		_, err := b.dispatcher.Shard(shard).Claim(t.Context(), fence, b.grant(2))
		require.NoError(t, err)
	}
	b.dispatch(t, ids...)
	r, release := b.busy(t, ids[0])
	for _, id := range ids[1:] {
		r.record(t.Context(), completed(id))
	}
	r.gathered(t, 3)
	b.exec(t, `INSERT INTO sluice.parked (shard, token) VALUES (0, gen_random_uuid()), (1, gen_random_uuid())`)
	conn, err := b.pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `LISTEN sluice_doorbell`)
	require.NoError(t, err)
	release()
	for place := range ids {
		require.True(t, r.answer(t, place).yes)
	}
	woken := map[string]bool{}
	for len(woken) < 2 {
		limited, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		note, err := conn.Conn().WaitForNotification(limited)
		cancel()
		require.NoError(t, err)
		woken[note.Payload] = true
	}
	require.Equal(t, map[string]bool{"0": true, "1": true}, woken)
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.doorbell WHERE cardinality(workspaces) = 2`))
}

// However many dispatchers are parked in a process, its pool keeps connections for those that work.
func TestParkedDispatchersLeaveConnectionsToOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.setShards(t, 12)
	pool, err := queue.DispatcherPool(t.Context(), b.url, 6)
	require.NoError(t, err)
	defer pool.Close()
	q := queue.New(pool)
	mark := b.mark(t)
	woken := make(chan error, 12)
	for shard := range 12 {
		go func() {
			rung, err := q.Shard(shard).Await(context.Background(), shard, mark, time.Time{}, time.Hour)
			if err == nil && !rung {
				err = fmt.Errorf("shard %d gave up", shard)
			}
			woken <- err
		}()
	}
	require.Eventually(t, func() bool { return one[int](t, b.pool, `SELECT count(*) FROM sluice.parked`) == 2 }, 10*time.Second, time.Millisecond)
	require.NoError(t, pool.AcquireFunc(t.Context(), func(*pgxpool.Conn) error { return nil }))
	b.setShards(t, 11)
	for range 12 {
		require.NoError(t, <-woken)
	}
}

func TestADispatcherRetiresOnlyWhileItsShardIsGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.setShards(t, 2)
	b.fenceOf(t, 1)
	retire := func(run string) bool {
		retired, err := b.dispatcher.Retire(t.Context(), 1, run)
		require.NoError(t, err)
		return retired
	}
	noted := func() string {
		run, err := b.dispatcher.RetiredRun(t.Context(), 1)
		require.NoError(t, err)
		return run
	}
	require.False(t, retire("run-of-1"))
	require.Empty(t, noted())
	b.setShards(t, 1)
	_, err := b.dispatcher.Retire(t.Context(), 1, "an earlier run")
	require.ErrorIs(t, err, queue.ErrFenced)
	require.True(t, retire("run-of-1"))
	b.setShards(t, 2)
	require.Equal(t, "run-of-1", noted())
	require.True(t, retire("run-of-1"), "a step that is done again has the same answer")
	_, err = b.dispatcher.OpenEpoch(t.Context(), 1, "its successor")
	require.NoError(t, err)
	require.False(t, retire("its successor"))
}

// A shard that is gone is in use until its dispatcher is known to have ended, also if that never opened an epoch.
func TestAShardIsInUseUntilItsDispatcherHasRetired(t *testing.T) {
	t.Parallel()
	b := setup(t)
	inUse := func() []int {
		shards, err := b.dispatcher.ShardsInUse(t.Context())
		require.NoError(t, err)
		return shards
	}
	require.Equal(t, []int{0}, inUse())
	b.setShards(t, 3)
	require.Equal(t, []int{0, 1, 2}, inUse())
	b.fenceOf(t, 1)
	b.setShards(t, 1)
	require.Equal(t, []int{0, 1, 2}, inUse())
	_, err := b.dispatcher.Retire(t.Context(), 1, "run-of-1")
	require.NoError(t, err)
	require.Equal(t, []int{0, 2}, inUse())
	b.setShards(t, 2)
	require.Equal(t, []int{0, 1, 2}, inUse())
}

func TestTheNumberOfShardsIsBoundedAndOnRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, n := range []int{-1, 0, queue.MaxShards + 1} {
		require.ErrorIs(t, b.app.SetShards(t.Context(), n, "ann"), queue.ErrInvalid)
	}
	b.setShards(t, 3)
	b.setShards(t, 3)
	require.Equal(t, []string{"ann 3"}, list[string](t, b.pool,
		`SELECT actor || ' ' || (details ->> 'shards') FROM sluice.activity_log WHERE action = 'settings-changed'`))
}
