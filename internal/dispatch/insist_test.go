package dispatch_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/store"
)

// applies makes each call another version of a definition of a workspace, which takes a turn.
func (w *world) applies() (apply func()) {
	w.t.Helper()
	workspace, _ := w.newWorkspace("FREE")
	office, n := admin.New(w.app), 0
	apply = func() {
		w.t.Helper()
		n++
		_, err := office.ApplyDefinition(w.t.Context(), workspace, fmt.Appendf(nil, `{"name": "again", "nodes": [{"name": "n%d", "type": "noop"}]}`, n), "ann")
		require.NoError(w.t, err)
	}
	apply() // the first version takes none
	return apply
}

func TestItemsAreClaimedWhileAWorkspaceAppliesDefinitionsAllTheTime(t *testing.T) {
	t.Parallel()
	w := setup(t)
	apply := w.applies()
	for range 3 {
		w.enqueueN(starterLimit)
		claimed := 0
		for n := 0; n < 10 && claimed == 0; n++ {
			require.Equal(t, starterLimit, w.plan(100).Items)
			apply()
			claimed = w.claim().New
		}
		require.Equal(t, starterLimit, claimed)
		w.end(w.begin()...)
	}
}

func TestFailedStartsAreUndoneWhileAWorkspaceAppliesDefinitionsAllTheTime(t *testing.T) {
	t.Parallel()
	w := setup(t)
	apply := w.applies()
	w.enqueueN(2)
	require.Len(t, w.cycle(10), 2)
	undone := 0
	for n := 0; n < 20 && undone == 0; n++ {
		var failed []store.FailedStart
		for _, id := range w.claimedNow() {
			failed = append(failed, store.FailedStart{ExecutionID: id, Reason: "start-failed", Error: "busy"})
		}
		apply()
		requeued, err := w.Requeue(t.Context(), w.run, failed, retry)
		require.NoError(t, err)
		if undone = requeued.Pending; undone == 0 {
			w.begin() // as the next dispatch does, because what has become of them is doubtful
		}
	}
	require.Equal(t, 2, undone)
	require.Zero(t, w.running())
}

// What a process that insists has believed to have failed may have been started by another meanwhile.
func TestWhoInsistsUndoesNothingThatAnotherProcessHasTakenUp(t *testing.T) {
	t.Parallel()
	w := setup(t)
	apply := w.applies()
	w.enqueueN(1)
	ids := w.cycle(10)
	require.Len(t, ids, 1)
	failed := []store.FailedStart{{ExecutionID: ids[0], Reason: "start-failed"}}
	apply()
	for range 3 { // it hears of nothing in between
		requeued, err := w.Requeue(t.Context(), w.run, failed, retry)
		require.NoError(t, err)
		require.Zero(t, requeued)
	}
	other := w.newProcess()
	require.Equal(t, ids, other.begin())
	requeued, err := w.Requeue(t.Context(), w.run, failed, retry)
	require.NoError(t, err)
	require.Zero(t, requeued)
	require.Equal(t, 1, w.running())
}

// claimedNow are the items that hold a slot and are not started.
func (w *world) claimedNow() []uuid.UUID {
	w.t.Helper()
	ids, err := store.Values[uuid.UUID](w.t.Context(), w.app, `SELECT id FROM sluice.running WHERE dispatched_at IS NULL ORDER BY id`)
	require.NoError(w.t, err)
	return ids
}
