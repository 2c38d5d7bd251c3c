package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func runOf(id uuid.UUID) queue.Run { return queue.Run{ExecutionID: id, RunID: "run-" + id.String()} }

func secondRun(id uuid.UUID) queue.Run {
	return queue.Run{ExecutionID: id, RunID: "second-" + id.String()}
}

func TestOnlyWhatDisagreesIsDoubtful(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 3)
	b.claim(t, 3)
	b.dispatch(t, ids...)
	require.True(t, b.end(t, ids[0], "COMPLETED"))
	pending, unknown := b.enqueue(t, b.item()), uuid.New()

	closed := []queue.Run{runOf(ids[0]), secondRun(ids[0]), runOf(ids[1]), runOf(ids[1]), runOf(pending), runOf(unknown)}
	got, err := b.dispatcher.Unrecorded(t.Context(), closed)
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{ids[0], ids[1]}, got, "another run's end, and a held slot")
	got, err = b.dispatcher.Unrecorded(t.Context(), closed[:1])
	require.NoError(t, err)
	require.Empty(t, got, "the run that ended")

	got, err = b.dispatcher.Unheld(t.Context(), []queue.Run{runOf(ids[0]), runOf(ids[1]), secondRun(ids[1])})
	require.NoError(t, err)
	require.Empty(t, got, "who has recorded an outcome is about to close; who holds a slot is fine")
	got, err = b.dispatcher.Unheld(t.Context(), []queue.Run{secondRun(ids[0]), runOf(pending), runOf(unknown)})
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{ids[0], pending, unknown}, got)
}

func TestAResetExecutionHoldsItsSlotAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	b.dispatch(t, id)
	reopen := func(run queue.Run) bool {
		reopened, err := b.dispatcher.Reopen(t.Context(), run)
		require.NoError(t, err)
		return reopened
	}
	require.False(t, reopen(secondRun(id)), "it is open")
	require.True(t, b.end(t, id, "FAILED"))
	require.False(t, reopen(runOf(id)), "the run that has ended is not open")
	require.True(t, reopen(secondRun(id)))
	require.False(t, reopen(secondRun(id)))
	require.Equal(t, []uuid.UUID{id}, b.held(t))
	require.Equal(t, "RUNNING", *b.view(t, id).ExecutionStatus)
	b.checkInvariants(t)

	recorded, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: id, RunID: secondRun(id).RunID, Status: "COMPLETED"})
	require.NoError(t, err)
	require.True(t, recorded)
	view := b.view(t, id)
	require.Equal(t, "COMPLETED", *view.ExecutionStatus)
	require.Equal(t, secondRun(id).RunID, *view.EngineRunID)
	require.Empty(t, b.held(t))
	story, err := b.app.ItemActivity(t.Context(), id)
	require.NoError(t, err)
	require.Contains(t, actions(story), "reopened")
	b.checkInvariants(t)
}

func TestAReopenedExecutionCountsAboveTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.enqueue(t, b.item())
	b.claim(t, 1)
	b.dispatch(t, first)
	b.end(t, first, "FAILED")
	ended := *b.view(t, first).CompletedAt
	b.enqueueN(t, starterLimit+1)
	require.Len(t, b.claim(t, starterLimit), starterLimit)
	reopened, err := b.dispatcher.Reopen(t.Context(), secondRun(first))
	require.NoError(t, err)
	require.True(t, reopened)
	require.Equal(t, starterLimit+1, b.slots(t)[b.workspace])
	require.Empty(t, b.claim(t, 1), "nothing else starts until it is below its limit")

	list, err := b.dispatcher.Reopenings(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, first, list[0].ID)
	require.Equal(t, ended, *list[0].Before)
	require.True(t, list[0].At.After(ended))
}

// A start that seemed to have failed and went through after all: the workflow runs, its item is PENDING.
func TestAnItemThatStartedLateIsTakenOutOfTheQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	late, cancelled := b.enqueue(t, b.item()), b.enqueue(t, b.item())
	b.claim(t, 2)
	b.requeue(t, 3, failedStart(late), failedStart(cancelled))
	cancel(t, b, cancelled)
	reopened, err := b.dispatcher.Reopen(t.Context(), runOf(late))
	require.NoError(t, err)
	require.True(t, reopened)
	require.Equal(t, "RUNNING", *b.view(t, late).ExecutionStatus)
	require.Equal(t, []uuid.UUID{late}, b.held(t))
	require.True(t, b.end(t, late, "COMPLETED"))

	reopened, err = b.dispatcher.Reopen(t.Context(), runOf(cancelled))
	require.NoError(t, err)
	require.False(t, reopened, "it ended without an execution")
	for id, want := range map[uuid.UUID]bool{cancelled: true, late: false, uuid.New(): false} {
		refused, err := b.dispatcher.Refused(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, refused)
	}
	b.checkInvariants(t)
}

func TestALaterRunSupersedesAnOutcome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	b.dispatch(t, id)
	supersede := func(run queue.Run) bool {
		done, err := b.dispatcher.Supersede(t.Context(), queue.Outcome{ExecutionID: id, RunID: run.RunID, Status: "COMPLETED", Output: []byte(`{"a":"\u0000"}`)})
		require.NoError(t, err)
		return done
	}
	require.False(t, supersede(secondRun(id)), "it is open")
	b.end(t, id, "FAILED")
	before := b.view(t, id)
	require.False(t, supersede(runOf(id)), "that run's outcome stays")
	require.True(t, supersede(secondRun(id)))
	require.False(t, supersede(secondRun(id)))
	after := b.view(t, id)
	require.Equal(t, "COMPLETED", *after.ExecutionStatus)
	require.Equal(t, before.CompletedAt, after.CompletedAt, "its slot was freed then")
	require.Contains(t, string(after.ExecutionError), "could not be stored")
	b.checkInvariants(t)
}

func TestWhoIsNotServedIsNewsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 3)
	b.claim(t, 3)
	b.dispatch(t, ids...)
	check := func(unserved map[uuid.UUID]time.Duration) []uuid.UUID {
		news, err := b.dispatcher.Checked(t.Context(), append(ids, uuid.New()), unserved)
		require.NoError(t, err)
		return news
	}
	unserved := map[uuid.UUID]time.Duration{ids[1]: time.Minute}
	require.Equal(t, []uuid.UUID{ids[1]}, check(unserved))
	since := b.view(t, ids[1]).UnservedSince
	require.WithinDuration(t, time.Now().Add(-time.Minute), *since, 10*time.Second)
	require.Empty(t, check(unserved))
	require.Equal(t, since, b.view(t, ids[1]).UnservedSince)
	at, err := b.dispatcher.Reconciliation(t.Context(), 0)
	require.NoError(t, err)
	require.EqualValues(t, 1, at.Unserved)
	usage, err := b.app.Workspaces(t.Context(), b.workspace)
	require.NoError(t, err)
	require.Equal(t, 1, usage[0].Unserved)
	require.Equal(t, "unserved", *usage[0].Reason)

	require.Empty(t, check(nil))
	require.Nil(t, b.view(t, ids[1]).UnservedSince)
	require.Equal(t, []uuid.UUID{ids[1]}, check(unserved), "and again, if it happens again")
}

func TestHowFarReconciliationHasLookedOnlyGrows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at, err := b.dispatcher.Reconciliation(t.Context(), 0)
	require.NoError(t, err)
	require.True(t, at.LookedUntil.IsZero())
	now := time.Now().UTC().Truncate(time.Second)
	for _, until := range []time.Time{now, now.Add(-time.Minute), now.Add(time.Minute), now} {
		require.NoError(t, b.dispatcher.SetLookedUntil(t.Context(), until))
	}
	at, err = b.dispatcher.Reconciliation(t.Context(), 0)
	require.NoError(t, err)
	require.True(t, at.LookedUntil.Equal(now.Add(time.Minute)))
}

func TestSlotsThatAreDueAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 3)
	b.claim(t, 3)
	b.dispatch(t, ids[:2]...)
	for age, want := range map[time.Duration]int64{0: 2, time.Hour: 0} {
		at, err := b.dispatcher.Reconciliation(t.Context(), age)
		require.NoError(t, err)
		require.Equal(t, want, at.Due)
	}
}
