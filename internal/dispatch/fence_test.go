package dispatch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

func TestOfTwoProcessesThatPlanTheSameOneClaims(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(8)
	other := w.newProcess()
	require.Equal(t, starterLimit, w.plan(100).Items)
	require.Equal(t, starterLimit, other.plan(100).Items)
	require.Equal(t, starterLimit, w.claim().New)
	require.Zero(t, other.claim().New)
	require.Zero(t, other.plan(100).Items, "it does not know what the other has claimed")
	require.Equal(t, starterLimit, w.running())
}

func TestClaimThatIsRepeatedTakesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(2)
	require.Equal(t, 1, w.plan(1).Items)
	require.Equal(t, 1, w.claim().New)
	require.Zero(t, w.claim().New)
}

// A process that slept remembers turn N. Meanwhile the turns after it were taken, and deleted again by recovery.
func TestProcessThatSleptUntilTurnsWereDeletedClaimsNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	sleeper := w.newProcess()
	w.enqueueN(3)
	require.Equal(t, 3, sleeper.plan(10).Items)
	for range 3 {
		require.Len(t, w.cycle(1), 1)
	}
	w.exec(`DELETE FROM sluice.turns t WHERE t.turn < (SELECT max(turn) FROM sluice.turns m WHERE m.shard = t.shard)`)
	w.enqueueN(2)
	require.Zero(t, sleeper.claim().New)
	require.Equal(t, 3, w.running())
}

func TestRunThatIsOvertakenPlansClaimsAndUndoesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(2)
	require.Len(t, w.cycle(1), 1)
	require.Equal(t, 1, w.plan(1).Items)
	old := w.run
	successor := w.newProcess()
	successor.takeOver("another run")

	require.Zero(t, w.claim().New)
	_, err := w.Plan(t.Context(), old, 1)
	require.ErrorIs(t, err, store.ErrFenced)
	_, err = w.Begin(t.Context(), old, 10)
	require.ErrorIs(t, err, store.ErrFenced)
	requeued, err := w.Requeue(t.Context(), old, []store.FailedStart{{ExecutionID: one[uuid.UUID](w, `SELECT id FROM sluice.running`), Reason: "r"}}, retry)
	require.NoError(t, err)
	require.Zero(t, requeued)
	require.Equal(t, 1, w.running())
	require.Len(t, successor.begin(), 1, "the successor takes up what was claimed")
}

func TestTakingOverAgainOvertakesTheOwnStepsOfARun(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first := w.run
	w.takeOver("run")
	require.Equal(t, first, w.run, "a repeated call has taken another turn")
	w.enqueue()
	require.Equal(t, 1, w.plan(1).Items)
	again, err := store.TakeOver(t.Context(), w.pool, 0, "run", 1)
	require.NoError(t, err)
	require.Greater(t, again, first)
	require.Zero(t, w.claim().New)
	_, err = w.Plan(t.Context(), first, 1)
	require.ErrorIs(t, err, store.ErrFenced)
	w.run = again
	require.Len(t, w.cycle(1), 1)
}

// From the time of the claim a start knows whether another process may have started the item: before, or while this one stood still.
func TestWhatIsHandedOverTellsWhenItWasClaimedHere(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueue()
	require.Equal(t, 1, w.plan(1).Items)
	began := time.Now().Round(0)
	w.claim()
	claimed, err := w.Begin(t.Context(), w.run, 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.WithinRange(t, claimed[0].Claimed, began, time.Now().Round(0))
	require.Equal(t, claimed[0].Claimed.Round(0), claimed[0].Claimed, "a machine that was suspended knows that only by the wall clock")
	w.Doubt()
	read, err := w.Begin(t.Context(), w.run, 10)
	require.NoError(t, err)
	require.Len(t, read, 1)
	require.Zero(t, read[0].Claimed)
}

// The next run in the same process does not know what became of it: the dispatch it was handed to may hang, or be cut off.
func TestRunTakesUpWhatTheOneBeforeItInTheSameProcessWasHanded(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(2)
	ids := w.cycle(2)
	require.Len(t, ids, 2)
	require.Empty(t, w.begin(), "it is handed over once")
	w.takeOver("the next run")
	require.Positive(t, w.plan(1).Unstarted)
	require.ElementsMatch(t, ids, w.begin())
	require.Zero(t, w.plan(1).Unstarted)
}

var retry = store.RetryPolicy{MaxAttempts: 3, Backoff: time.Minute, MaxBackoff: time.Hour}

func TestStartsThatFailedGoBackOrEnd(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(8)
	ids := w.cycle(100)
	require.Len(t, ids, starterLimit)
	requeued, err := w.Requeue(t.Context(), w.run, []store.FailedStart{
		{ExecutionID: ids[0], Reason: "start-failed", Error: "busy"},
		{ExecutionID: ids[1], Reason: "definition-gone", Error: "no longer there", Permanent: true},
	}, retry)
	require.NoError(t, err)
	require.Equal(t, 1, requeued.Pending)
	require.Equal(t, 1, requeued.Failed)
	require.Equal(t, "start-failed: busy", one[string](w, `SELECT error FROM sluice.queue_items WHERE id = $1 AND status = 'PENDING' AND attempt_count = 1 AND available_at > now() + interval '50 seconds'`, ids[0]))
	require.Equal(t, "definition-gone: no longer there", one[string](w, `SELECT error FROM sluice.queue_items WHERE id = $1 AND status = 'FAILED' AND execution_id IS NULL`, ids[1]))
	require.Len(t, w.cycle(100), 2, "their slots are free")
	require.Equal(t, starterLimit, w.running())
}

// An item that waits for a workflow of its id is looked at the more seldom, the more of its workspace wait for that before it.
func TestOnlyItemsOfItsWorkspaceThatWaitForAnIDPutOneOff(t *testing.T) {
	t.Parallel()
	w := setup(t)
	other, _ := w.newWorkspace("STARTER")
	enqueue := func(workspace uuid.UUID, in time.Duration) uuid.UUID {
		return one[uuid.UUID](w, `SELECT (sluice.enqueue_workflow($1, 'Bill', 'bills', workflow_id => 'bill-7', available_at => now() + $2::interval) ->> 'queueId')::uuid`, workspace, in)
	}
	for range 40 {
		enqueue(other, 100*time.Second) // within the two minutes that count, and not before this test is over
		enqueue(w.workspace, time.Hour)
	}
	for n, most := range []time.Duration{2 * time.Second, 4 * time.Second, 6 * time.Second} {
		id := enqueue(w.workspace, 0)
		require.Equal(t, []uuid.UUID{id}, w.cycle(10))
		began := time.Now()
		requeued, err := w.Requeue(t.Context(), w.run, []store.FailedStart{{ExecutionID: id, Reason: "workflow-id-taken", Waits: true}}, retry)
		require.NoError(t, err)
		require.Equal(t, 1, requeued.Pending)
		in := one[time.Duration](w, `SELECT available_at - updated_at FROM (SELECT available_at, now() AS updated_at FROM sluice.pending WHERE id = $1) AS p`, id)
		require.Greater(t, in+time.Since(began), most-2*time.Second, "item %d", n)
		require.LessOrEqual(t, in, most, "item %d", n)
		// It counts for the next one, and must not be due with it.
		w.exec(`UPDATE sluice.pending SET available_at = now() + interval '100 s' WHERE id = $1`, id)
	}
}

func TestItemFailsAfterItsLastAttempt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.enqueue()
	policy := store.RetryPolicy{MaxAttempts: 2, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
	for attempt, want := range []string{"PENDING", "FAILED"} {
		require.Eventually(t, func() bool { return len(w.cycle(1)) == 1 }, patience, time.Millisecond, "attempt %d", attempt)
		_, err := w.Requeue(t.Context(), w.run, []store.FailedStart{{ExecutionID: id, Reason: "start-failed"}}, policy)
		require.NoError(t, err)
		require.Equal(t, want, one[string](w, `SELECT status FROM sluice.queue_items WHERE id = $1`, id))
	}
}

// The id that derives from an item may be another workflow's for long: what waits for it is not to keep the dispatcher busy.
func TestWhatWaitsLongForItsOwnIDIsLookedAtMoreSeldom(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(3)
	ids := w.cycle(100)
	require.Len(t, ids, 3)
	policy := store.RetryPolicy{MaxAttempts: 1, Backoff: time.Hour, MaxBackoff: time.Hour}
	var failed []store.FailedStart
	for i, age := range []string{"0 s", "80 s", "1 day"} {
		_, err := w.app.Exec(t.Context(), `UPDATE sluice.running SET created_at = now() - $2::text::interval WHERE id = $1`, ids[i], age)
		require.NoError(t, err)
		failed = append(failed, store.FailedStart{ExecutionID: ids[i], Reason: "workflow-id-taken", Waits: true})
	}
	began := time.Now()
	_, err := w.Requeue(t.Context(), w.run, failed, policy)
	require.NoError(t, err)
	for i, seconds := range []int{2, 10, 60} {
		require.Equal(t, 0, one[int](w, `SELECT attempt_count FROM sluice.pending WHERE id = $1`, ids[i]))
		require.InDelta(t, seconds, one[float64](w, `SELECT extract(epoch FROM available_at - now())::float8 FROM sluice.pending WHERE id = $1`, ids[i]), 1.5+time.Since(began).Seconds())
	}
}

// A process believes that a start failed. Another has taken the claim up meanwhile, and may have started it.
func TestClaimThatAnotherProcessHasTakenUpIsNotUndone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.enqueue()
	require.Len(t, w.cycle(1), 1)
	other := w.newProcess()
	require.Equal(t, []uuid.UUID{id}, other.begin())

	requeued, err := w.Requeue(t.Context(), w.run, []store.FailedStart{{ExecutionID: id, Reason: "start-failed"}}, retry)
	require.NoError(t, err)
	require.Zero(t, requeued)
	require.Equal(t, 1, w.running())
	require.Equal(t, []uuid.UUID{id}, w.begin(), "it looks again what there is to start")
}

// An execution was requeued and claimed again under its id. What was told of its slot before must not free the new one.
func TestSlotOfAnItemThatIsClaimedAgainIsHeldOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = 1`)
	w.enqueueN(2)
	ids := w.cycle(10)
	require.Len(t, ids, 1)
	_, err := w.Requeue(t.Context(), w.run, []store.FailedStart{{ExecutionID: ids[0], Reason: "start-failed"}},
		store.RetryPolicy{MaxAttempts: 9, Backoff: time.Microsecond, MaxBackoff: time.Microsecond})
	require.NoError(t, err)
	for range 5 { // whichever of the two it is by now
		w.cycle(10)
		w.hear()
		require.Equal(t, 1, w.running())
	}
}

// Recovery puts a stale claim back while the dispatcher plans: it must hear that the slot is free and that the item is back
// before it claims anything on them.
func TestClaimThatRecoveryReleasesIsCountedOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = 1`)
	w.enqueueN(3)
	ids := w.cycle(10)
	require.Len(t, ids, 1)
	released, err := store.Release(t.Context(), w.app, ids, 0)
	require.NoError(t, err)
	require.Equal(t, ids, released)
	for range 5 {
		w.cycle(10)
		w.hear()
		require.Equal(t, 1, w.running())
	}
}

// The answer to a claim is lost with its connection: it may have committed, or still be under way.
func TestClaimWhoseAnswerIsLostIsFoundOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(8)
	require.Equal(t, starterLimit, w.plan(100).Items)
	lock, err := w.app.Begin(t.Context()) // the claim waits for the turn that this transaction holds
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), `INSERT INTO sluice.turns (shard, turn, kind) SELECT 0, max(turn) + 1, 'limits' FROM sluice.turns WHERE shard = 0`)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := w.Claim(t.Context(), w.run)
		failed <- err
	}()
	require.Eventually(t, func() bool {
		return one[bool](w, `SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'sluice' AND wait_event_type = 'Lock'`)
	}, 30*time.Second, 10*time.Millisecond)
	require.Error(t, <-failed)
	require.NoError(t, lock.Commit(t.Context()))
	require.Len(t, w.cycle(100), starterLimit)
	require.Equal(t, starterLimit, w.running())
}

func TestOutcomeIsHeardOnceHoweverOftenItIsTold(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(12)
	ids := w.cycle(100)
	began := time.Now()
	w.end(ids[:2]...)
	w.engines.Freed(ids[:2], began, began)
	require.Len(t, w.cycle(100), 2)
	w.engines.Freed(ids[:2], began, began)
	w.exec(`INSERT INTO sluice.events (freed) VALUES ($1)`, ids[:2])
	w.hear()
	require.Empty(t, w.cycle(100))
	require.Equal(t, starterLimit, w.running())
}

// An execution is recorded as ended in this process, and is reset before that is taken in: the old news must not free the slot
// that it holds again.
func TestHintFromBeforeAResetFreesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = 1`)
	w.enqueueN(3)
	ids := w.cycle(10)
	began := time.Now()
	w.end(ids...)
	reopened, err := store.Reopen(t.Context(), w.app, store.Run{ExecutionID: ids[0], RunID: "another"})
	require.NoError(t, err)
	require.True(t, reopened)
	w.hear()
	w.engines.Freed(ids, began, began)
	require.Empty(t, w.cycle(10))
	require.Equal(t, 1, w.running())
}

// A workspace of which nothing was left regains a slot. The cache hears of it by that alone, or together with its first item.
func TestAWorkspaceThatRegainsASlotMayUseItsOthers(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(p *process){
		"before its items": func(p *process) { p.hear() },
		"with its items":   func(*process) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.enqueue()
			ids := w.cycle(1)
			w.end(ids...)
			p := w.newProcess()
			require.Zero(t, p.plan(10).Items)
			reopened, err := store.Reopen(t.Context(), w.app, store.Run{ExecutionID: ids[0], RunID: "another"})
			require.NoError(t, err)
			require.True(t, reopened)
			hear(p)
			w.enqueueN(starterLimit)
			require.Equal(t, starterLimit-1, p.plan(10).Items)
			require.Equal(t, starterLimit-1, p.claim().New)
			require.Equal(t, starterLimit, w.running())
		})
	}
}
