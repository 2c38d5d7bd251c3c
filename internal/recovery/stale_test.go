package recovery

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/workflows"
)

// claim adds claims that are an hour old.
func (b *bundle) claim(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	ids := b.run(t, n)
	b.exec(t, `UPDATE sluice.running SET dispatched_at = NULL, engine_run_id = NULL, claimed_at = now() - interval '1 hour' WHERE id = ANY ($1)`, ids)
	return ids
}

func TestAStaleClaimIsSettledOrReleased(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, 1)
	ids := b.claim(t, 3)
	fresh := b.claim(t, 1)[0]
	b.exec(t, `UPDATE sluice.running SET claimed_at = now() WHERE id = $1`, fresh)
	b.has(ids[0], workflow{runID: firstRun(ids[0]), status: running})
	b.has(ids[1], workflow{runID: firstRun(ids[1]), status: completed})
	report, err := b.ReleaseStale(t.Context())
	require.NoError(t, err)
	require.Equal(t, Report{Released: 1, Settled: 2}, report)
	require.Equal(t, "RUNNING", b.status(t, ids[0]))
	require.Equal(t, "RUNNING", b.status(t, ids[1]), "a pass finds out that it has closed")
	require.Equal(t, "PENDING", b.status(t, ids[2]))
	require.Equal(t, "CLAIMED", b.status(t, fresh))
	require.Equal(t, ids[2:], b.freedIDs())
	report, err = b.ReleaseStale(t.Context())
	require.NoError(t, err)
	require.Zero(t, report)
}

func TestAClaimThatCannotBeLookedUpHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.claim(t, 20)
	unavailable := errors.New("no answer")
	b.temporal.describe = func(_ context.Context, workflowID string) error {
		if workflowID == workflows.ExecutionID(ids[0]) {
			return unavailable
		}
		return nil
	}
	report, err := b.ReleaseStale(t.Context())
	require.ErrorIs(t, err, unavailable)
	require.Equal(t, Report{Released: 19}, report)
	require.Equal(t, ids[:1], b.held(t), "whether it was started is not known")
}

// An item that has run is not started again when another workflow has its id by now. It is left alone until the lists have answered.
func TestAStaleClaimWhoseIDIsInUseAgainIsSettledIfItHasRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.claim(t, 2)
	has, hasNot := b.own(t, ids[0], "bill-7"), b.own(t, ids[1], "bill-8")
	before := &workflow{runID: "a", status: completed, startedFor: has}
	b.temporal.list(before.info("bill-7"), time.Now().Add(-time.Minute))
	b.hasCalled("bill-7", &workflow{runID: "b", status: completed, startedFor: uuid.New(), earlier: []*workflow{before}})
	b.hasCalled("bill-8", &workflow{runID: "c", status: completed, startedFor: uuid.New(), says: hasNot})
	unavailable := errors.New("no answer")
	b.temporal.lists = func(context.Context) error { return unavailable }
	report, err := b.ReleaseStale(t.Context())
	require.ErrorIs(t, err, unavailable)
	require.Zero(t, report)
	require.ElementsMatch(t, ids, b.held(t))

	b.temporal.lists = func(context.Context) error { return nil }
	report, err = b.ReleaseStale(t.Context())
	require.NoError(t, err)
	require.Equal(t, Report{Settled: 1, Released: 1}, report)
	require.Equal(t, "a", one[string](t, b.db, `SELECT engine_run_id FROM sluice.running WHERE id = $1 AND dispatched_at IS NOT NULL`, has))
	require.Equal(t, "PENDING", b.status(t, hasNot))
}

// Somebody has put an item that has ended into pending again, and it was claimed: before its start is refused, a pass may see that its run has
// closed.
func TestTheClaimOfAnItemThatHasEndedIsDroppedAndEndsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.end(t, 1, "COMPLETED")[0]
	b.exec(t, `INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, priority, attempt_count, 2, created_at, available_at, now() - interval '1 hour', trigger_type, 'hand', input FROM sluice.ended`)
	b.has(id, workflow{runID: firstRun(id), status: completed})
	b.pass(t)
	require.NoError(t, b.Look(t.Context(), Hint{Item: id, RunID: firstRun(id), By: ByCallback}))
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.ended`))
	require.Equal(t, []uuid.UUID{id}, b.held(t), "to drop it is for who starts it")

	report, err := b.ReleaseStale(t.Context()) // the claim is an hour old
	require.NoError(t, err)
	require.Zero(t, report)
	require.Empty(t, b.held(t))
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.ended`))
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.activity WHERE queue_id = $1 AND action = 'dropped' AND reason = 'duplicate'`, id))
}
