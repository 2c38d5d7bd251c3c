package queue_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// heldSince is whose slots were held at any time since, as an audit of that window sees it.
func (b *bundle) heldSince(t *testing.T, since time.Time) (ids []uuid.UUID) {
	t.Helper()
	held, err := b.app.HeldSlots(t.Context(), since)
	require.NoError(t, err)
	for _, h := range held {
		ids = append(ids, h.ID)
	}
	return ids
}

// oldOutcomeSQL is how workers recorded outcomes that did not know of the list of endings.
const oldOutcomeSQL = `
WITH ended AS (
	UPDATE sluice.workflow_executions e
	SET status = 'COMPLETED', completed_at = greatest(now(), claimed_at, dispatched_at)
	WHERE e.id = ANY ($1) AND e.status IN ('CLAIMED', 'RUNNING') RETURNING e.id, e.workspace_id
), freed AS (
	DELETE FROM sluice.slots s USING ended e WHERE s.execution_id = e.id
)
INSERT INTO sluice.doorbell (workspace_id, quiet) SELECT DISTINCT workspace_id, false FROM ended`

// Whoever records an outcome, and however: a window shows it once.
func TestWhatHasEndedIsListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.running(t, 6)
	before := time.Now().Add(-time.Hour)
	require.True(t, b.end(t, ids[0], "COMPLETED"))
	r, release := b.busy(t, ids[1])
	for _, id := range ids[2:4] {
		r.record(t.Context(), completed(id))
	}
	r.gathered(t, 2)
	release()
	for place := range 3 {
		require.True(t, r.answer(t, place).yes)
	}
	b.exec(t, oldOutcomeSQL, ids[4:5])
	require.ElementsMatch(t, ids, b.heldSince(t, before))
	require.Equal(t, ids[5:], b.heldSince(t, time.Now().Add(time.Hour)))

	// One that ran again, and ended again.
	reopened, err := b.dispatcher.Reopen(t.Context(), queue.Run{ExecutionID: ids[0], RunID: "later"})
	require.NoError(t, err)
	require.True(t, reopened)
	require.ElementsMatch(t, ids, b.heldSince(t, before))
	require.True(t, b.end(t, ids[0], "COMPLETED"))
	require.ElementsMatch(t, ids, b.heldSince(t, before))

	// The outcome of a requeued item has never held a slot, and has ended all the same.
	late := b.enqueue(t, b.item())
	require.True(t, b.end(t, late, "COMPLETED"))
	require.ElementsMatch(t, ids, b.heldSince(t, before))
	b.exec(t, `UPDATE sluice.workflow_executions SET engine_run_id = NULL WHERE id = $1`, late)
	places, err := b.app.CheckPlaces(t.Context(), before, 1)
	require.NoError(t, err)
	require.EqualValues(t, 7, places.Checked)
	require.Equal(t, late, places.First[0].ID)
}

// A window that begins before the list does is read from the executions themselves.
func TestWhatEndedBeforeTheListIsFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.running(t, 3)
	for _, id := range ids[:2] {
		require.True(t, b.end(t, id, "COMPLETED"))
	}
	b.exec(t, `UPDATE sluice.workflow_executions SET claimed_at = claimed_at - interval '5 hours', completed_at = completed_at - interval '3 hours' WHERE id = $1`, ids[0])
	b.exec(t, `DELETE FROM sluice.endings WHERE $1 <> ALL (ids)`, ids[1])
	for hours, want := range map[time.Duration][]uuid.UUID{-1: ids[2:], 1: ids[1:], 2: ids[1:], 4: ids, 48: ids} {
		since := time.Now().Add(-hours * time.Hour)
		require.ElementsMatch(t, want, b.heldSince(t, since), "%d hours", hours)
		places, err := b.app.CheckPlaces(t.Context(), since, 1)
		require.NoError(t, err)
		require.EqualValues(t, len(want), places.Checked, "%d hours", hours)
	}
}

// Nothing but its own row tells of an open execution that has never had a slot. It is found when its turn comes, however
// old it is, and again by each audit after that, until it is mended.
func TestOpenExecutionsWithoutASlotAreFoundInTheCourseOfTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.running(t, 5)
	slices.SortFunc(ids, func(x, y uuid.UUID) int { return slices.Compare(x[:], y[:]) })
	for _, id := range ids[1:3] {
		require.True(t, b.end(t, id, "COMPLETED"))
	}
	b.exec(t, `DELETE FROM sluice.slots WHERE execution_id = $1`, ids[0])
	b.exec(t, `UPDATE sluice.endings SET at = at - interval '2 hours'`) // as if it had been long ago
	b.app.PatrolBy(2)
	check := func() (broken []uuid.UUID) {
		found, err := b.app.CheckSlots(t.Context(), time.Now().Add(-time.Hour), 10)
		require.NoError(t, err)
		require.EqualValues(t, len(found.First), found.Broken)
		for _, f := range found.First {
			require.Contains(t, f.What, "its execution is RUNNING, but holds no slot")
			broken = append(broken, f.ID)
		}
		return broken
	}
	require.Empty(t, check(), "the fifth and the fourth")
	require.Empty(t, check(), "the third and the second")
	for range 5 {
		require.Equal(t, ids[:1], check())
	}
	require.True(t, b.end(t, ids[0], "COMPLETED"))
	for range 4 {
		require.Empty(t, check())
	}
}
