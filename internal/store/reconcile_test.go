package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

func TestOnlyWhatDisagreesIsDoubtful(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 4)
	ended, open, pending, refused, unknown := ids[0], ids[1], ids[2], ids[3], uuid.New()
	b.dispatch(t, ended, open)
	require.True(t, b.end(t, ended, "COMPLETED"))
	_, err := store.EndPending(t.Context(), b.db, []uuid.UUID{refused}, store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: "ann"})
	require.NoError(t, err)

	closed := []store.Run{firstRun(ended), secondRun(ended), firstRun(open), firstRun(open), firstRun(pending), firstRun(refused), firstRun(unknown)}
	got, err := store.Unrecorded(t.Context(), b.db, closed)
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{ended, open}, got, "another run's end, and a held slot")
	got, err = store.Unrecorded(t.Context(), b.db, closed[:1])
	require.NoError(t, err)
	require.Empty(t, got, "the run that ended")

	got, err = store.Unheld(t.Context(), b.db, []store.Run{firstRun(ended), firstRun(open), secondRun(open)})
	require.NoError(t, err)
	require.Empty(t, got, "a run that has recorded an outcome is about to close; one with a slot is fine")
	got, err = store.Unheld(t.Context(), b.db, []store.Run{secondRun(ended), firstRun(pending), firstRun(refused), firstRun(unknown)})
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{ended, pending, refused, unknown}, got)
}

// Each run of a chain closes, and only the last one is its end.
func TestARunThatClosedLongBeforeTheEndOnRecordIsAnEarlierOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 2)
	ended, open := ids[0], ids[1]
	b.dispatch(t, ended, open)
	require.True(t, b.end(t, ended, "COMPLETED"))
	at := one[time.Time](t, b.db, `SELECT ended_at FROM sluice.ended`)
	closed := func(id uuid.UUID, at time.Time) []store.Run {
		run := secondRun(id)
		run.ClosedAt = at
		return []store.Run{run}
	}
	for when, doubtful := range map[time.Time]bool{at.Add(-2 * time.Minute): false, at.Add(-30 * time.Second): true, at.Add(time.Hour): true, {}: true} {
		got, err := store.Unrecorded(t.Context(), b.db, closed(ended, when))
		require.NoError(t, err)
		require.Equal(t, doubtful, len(got) == 1, "%s", when)
	}
	got, err := store.Unrecorded(t.Context(), b.db, closed(open, at.Add(-time.Hour)))
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{open}, got, "it holds a slot")
}

// What ended is looked up in the partitions since the item was made. Ids that do not tell when that was are found all the same.
func TestRunsOfItemsWithOtherIdsAreCompared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, 1)[0]
	b.run(t, id)
	other := uuid.New()
	b.exec(t, `UPDATE sluice.ended SET id = $2, engine_run_id = $3 WHERE id = $1`, id, other, firstRun(other).RunID)
	got, err := store.Unrecorded(t.Context(), b.db, []store.Run{firstRun(other), secondRun(other)})
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{other}, got)
	got, err = store.Unrecorded(t.Context(), b.db, []store.Run{firstRun(other)})
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestRefusedIsWhatEndedWithoutAnExecution(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 3)
	b.run(t, ids[0])
	_, err := store.EndPending(t.Context(), b.db, ids[1:2], store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: "ann"})
	require.NoError(t, err)
	for id, want := range map[uuid.UUID]bool{ids[0]: false, ids[1]: true, ids[2]: false, uuid.New(): false} {
		refused, err := store.Refused(t.Context(), b.db, id)
		require.NoError(t, err)
		require.Equal(t, want, refused)
	}
}

func TestSlotsAreCheckedInTurn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 4)
	b.claim(t, ids[3])
	toCheck := func(age time.Duration, most int) []uuid.UUID {
		got, err := store.SlotsToCheck(t.Context(), b.db, age, most)
		require.NoError(t, err)
		return got
	}
	require.Empty(t, toCheck(0, 10), "claims are no business of this check")
	for _, id := range ids[:3] {
		b.dispatch(t, id)
	}
	require.Equal(t, ids[:3], toCheck(0, 10))
	require.Empty(t, toCheck(time.Hour, 10))
	require.Equal(t, ids[:1], toCheck(0, 1))
	for age, want := range map[time.Duration]int64{0: 3, time.Hour: 0} {
		at, err := store.LoadRecoveryState(t.Context(), b.db, age, time.Hour)
		require.NoError(t, err)
		require.Equal(t, want, at.Due)
	}
	news, err := store.Checked(t.Context(), b.db, ids[:1], nil)
	require.NoError(t, err)
	require.Empty(t, news)
	require.Equal(t, []uuid.UUID{ids[1], ids[2], ids[0]}, toCheck(0, 10))
}

func TestAnUnservedExecutionIsNewsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 3)
	b.dispatch(t, ids...)
	check := func(unserved map[uuid.UUID]store.Unserved) []uuid.UUID {
		news, err := store.Checked(t.Context(), b.db, append(ids, uuid.New()), unserved)
		require.NoError(t, err)
		return news
	}
	unserved := map[uuid.UUID]store.Unserved{ids[1]: {For: time.Minute, What: "its workflow task fails: boom"}}
	require.Equal(t, []uuid.UUID{ids[1]}, check(unserved))
	since := b.view(t, ids[1]).UnservedSince
	require.WithinDuration(t, time.Now().Add(-time.Minute), *since, 30*time.Second)
	require.Empty(t, check(unserved))
	require.Equal(t, since, b.view(t, ids[1]).UnservedSince)
	at, err := store.LoadRecoveryState(t.Context(), b.db, 0, time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 1, at.Unserved)
	what := func() *string {
		values, err := store.Values[*string](t.Context(), b.db, `SELECT unserved FROM sluice.running WHERE id = $1`, ids[1])
		require.NoError(t, err)
		return values[0]
	}
	require.Equal(t, "its workflow task fails: boom", *what())
	unserved[ids[1]] = store.Unserved{For: time.Hour, What: "its workflow task fails: bang"}
	require.Empty(t, check(unserved))
	require.Equal(t, "its workflow task fails: bang", *what(), "the error is the latest, the time the first")
	require.Equal(t, since, b.view(t, ids[1]).UnservedSince)

	require.Empty(t, check(nil))
	require.Nil(t, what())
	require.Nil(t, b.view(t, ids[1]).UnservedSince)
	require.Equal(t, []uuid.UUID{ids[1]}, check(unserved), "and again, if it happens again")
}

func TestTheFirstRequestToCancelCounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 2)
	b.dispatch(t, ids[0])
	overdue := func(patience time.Duration) []uuid.UUID {
		at, err := store.LoadRecoveryState(t.Context(), b.db, 0, patience)
		require.NoError(t, err)
		return at.Overdue
	}
	require.Empty(t, overdue(0))
	first, err := store.AskToCancel(t.Context(), b.db, ids[0])
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), first, 30*time.Second)
	again, err := store.AskToCancel(t.Context(), b.db, ids[0])
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, ids[:1], overdue(0))
	require.Empty(t, overdue(time.Hour))
	_, err = store.AskToCancel(t.Context(), b.db, ids[1])
	require.ErrorIs(t, err, store.ErrUnknownItem, "it does not run")

	_, err = b.db.Exec(t.Context(), `UPDATE sluice.running SET workflow_definition_id = NULL, workflow_type = 'Bill', task_queue = 'bills'`)
	require.NoError(t, err)
	require.Empty(t, overdue(0), "one of a caller's own that a worker carries on")
	_, err = store.Checked(t.Context(), b.db, ids[:1], map[uuid.UUID]store.Unserved{ids[0]: {For: time.Minute, What: "no worker takes its workflow task"}})
	require.NoError(t, err)
	require.Equal(t, ids[:1], overdue(0))
	require.Empty(t, overdue(time.Hour))
}

func TestHowFarRecoveryHasLookedOnlyGrows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at, err := store.LoadRecoveryState(t.Context(), b.db, 0, time.Hour)
	require.NoError(t, err)
	require.True(t, at.LookedUntil.IsZero())
	now := time.Now().UTC().Truncate(time.Second)
	for _, until := range []time.Time{now, now.Add(-time.Minute), now.Add(time.Minute), now} {
		require.NoError(t, store.SetLookedUntil(t.Context(), b.db, until))
	}
	at, err = store.LoadRecoveryState(t.Context(), b.db, 0, time.Hour)
	require.NoError(t, err)
	require.True(t, at.LookedUntil.Equal(now.Add(time.Minute)))
}
