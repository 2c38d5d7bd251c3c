package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

func (b *bundle) reopen(t *testing.T, run store.Run) bool {
	t.Helper()
	reopened, err := store.Reopen(t.Context(), b.db, run)
	require.NoError(t, err)
	return reopened
}

func TestAResetExecutionHoldsItsSlotAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueueLarge(t)
	b.dispatch(t, id)
	dispatched := one[time.Time](t, b.db, `SELECT dispatched_at FROM sluice.running`)
	require.False(t, b.reopen(t, secondRun(id)), "it holds its slot")
	require.True(t, b.end(t, id, "FAILED"))
	ended := *b.view(t, id).CompletedAt
	require.False(t, b.reopen(t, firstRun(id)), "the run that has ended is not open")

	news := b.news(t, func() { require.True(t, b.reopen(t, secondRun(id))) })
	require.Equal(t, []store.Turn{{Number: b.turn(t), Kind: store.TurnRegained, WorkspaceID: b.workspace}}, news.Turns,
		"a claim that was planned before comes to nothing")
	require.False(t, b.reopen(t, secondRun(id)))
	require.Equal(t, []uuid.UUID{id}, b.held(t))
	view := b.view(t, id)
	require.Equal(t, "RUNNING", *view.ExecutionStatus)
	require.Equal(t, secondRun(id).RunID, *view.EngineRunID)
	require.True(t, view.HasInput)
	require.Equal(t, dispatched, one[time.Time](t, b.db, `SELECT dispatched_at FROM sluice.running`))
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.running WHERE turn IS NULL`))
	require.Equal(t, ended.UTC(), one[time.Time](t, b.db, `
		SELECT (details ->> 'completedAt')::timestamptz FROM sluice.activity_log
		WHERE queue_id = $1 AND action = 'reopened' AND reason = 'reset' AND details @> '{"status": "FAILED"}'`, id).UTC())
	b.checkInvariants(t)

	recorded, err := store.RecordOutcome(t.Context(), b.db, store.Outcome{ExecutionID: id, RunID: secondRun(id).RunID, Status: "COMPLETED"})
	require.NoError(t, err)
	require.True(t, recorded)
	view = b.view(t, id)
	require.Equal(t, "COMPLETED", *view.ExecutionStatus)
	require.Equal(t, secondRun(id).RunID, *view.EngineRunID)
	require.True(t, view.CompletedAt.After(ended))
	require.Empty(t, b.held(t))
	require.Contains(t, b.actions(t, id), "reopened")
	b.checkInvariants(t)
}

func TestAReopenedExecutionCountsAboveTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.enqueue(t, 1)[0]
	b.run(t, first)
	const limit = 5
	b.dispatch(t, b.enqueue(t, limit)...)
	require.True(t, b.reopen(t, secondRun(first)))
	require.Len(t, b.held(t), limit+1)
}

// A start that seemed to have failed and went through after all: the workflow runs, its item is pending.
func TestAnItemThatStartedLateIsTakenOutOfTheQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 2)
	late, cancelled := ids[0], ids[1]
	_, err := store.EndPending(t.Context(), b.db, ids[1:], store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: "ann"})
	require.NoError(t, err)
	news := b.news(t, func() { require.True(t, b.reopen(t, firstRun(late))) })
	require.Len(t, news.Turns, 1)
	require.Equal(t, store.TurnRegained, news.Turns[0].Kind)
	require.Equal(t, "RUNNING", *b.view(t, late).ExecutionStatus)
	require.Equal(t, []uuid.UUID{late}, b.held(t))
	require.Equal(t, []string{"started-late"}, list[string](t, b.db, `SELECT reason FROM sluice.activity_log WHERE action = 'reopened'`))
	require.True(t, b.end(t, late, "COMPLETED"))

	require.False(t, b.reopen(t, firstRun(cancelled)), "it ended without an execution")
	require.False(t, b.reopen(t, firstRun(uuid.New())), "there is no such item")
	b.checkInvariants(t)
}

func TestALaterRunSupersedesAnOutcome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 2)
	id := ids[0]
	b.dispatch(t, id)
	supersede := func(run store.Run) bool {
		done, err := store.Supersede(t.Context(), b.db, store.Outcome{ExecutionID: run.ExecutionID, RunID: run.RunID, Status: "COMPLETED", Output: []byte(`{"a":"\u0000"}`)})
		require.NoError(t, err)
		return done
	}
	require.False(t, supersede(secondRun(id)), "it holds its slot")
	b.end(t, id, "FAILED")
	before := b.view(t, id)
	require.False(t, supersede(firstRun(id)), "that run's outcome stays")
	require.True(t, supersede(secondRun(id)))
	require.False(t, supersede(secondRun(id)))
	after := b.view(t, id)
	require.Equal(t, "COMPLETED", *after.ExecutionStatus)
	require.Equal(t, before.CompletedAt, after.CompletedAt, "its slot was freed then")
	require.Contains(t, *after.ExecutionError, "could not be stored")
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.activity_log
		WHERE action = 'superseded' AND queue_id = $1 AND details = jsonb_build_object('status', 'FAILED', 'runId', $2::text)`, id, firstRun(id).RunID))

	_, err := store.EndPending(t.Context(), b.db, ids[1:], store.Refusal{Status: "FAILED", Reason: "definition-gone", Actor: "dispatcher"})
	require.NoError(t, err)
	require.False(t, supersede(secondRun(ids[1])), "it never had a run")
	b.checkInvariants(t)
}
