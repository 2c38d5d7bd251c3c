package dispatch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/dispatch"
)

// reasons are why what was claimed had waited, and how many items.
func reasons(claimed dispatch.Claimed) map[admission.Reason]int {
	counts := map[admission.Reason]int{}
	for kept, waits := range claimed.Waits {
		counts[kept.Reason] += len(waits)
	}
	return counts
}

func TestAClaimTellsWhatKeptItsItemsInTheCycleBefore(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.Empty(t, w.plan(10).Left)
	office := admin.New(w.app)
	paused := func(pause bool) {
		var err error
		if pause {
			_, err = office.Pause(t.Context(), admin.Scope{WorkspaceID: w.workspace}, admin.Term{}, "ann", "")
		} else {
			_, err = office.Resume(t.Context(), admin.Scope{WorkspaceID: w.workspace}, "ann", "")
		}
		require.NoError(t, err)
		w.hear()
	}
	left := func(r admission.Reason) map[dispatch.Kept]int {
		return map[dispatch.Kept]int{{Plan: "STARTER", Reason: r}: 1}
	}
	ids := w.enqueueN(starterLimit + 3)
	require.Equal(t, left(admission.AtCapacity), w.plan(100).Left, "it is granted all slots, and three are left")
	require.Equal(t, map[admission.Reason]int{dispatch.KeptByNothing: starterLimit}, reasons(w.claim()))
	w.begin()
	w.end(ids[0])
	w.plan(100)
	require.Equal(t, map[admission.Reason]int{admission.AtCapacity: 1}, reasons(w.claim()))
	w.begin()
	paused(true)
	require.Equal(t, left(admission.Paused), w.plan(100).Left)
	w.end(ids[1])
	paused(false)
	w.plan(100)
	require.Equal(t, map[admission.Reason]int{admission.Paused: 1}, reasons(w.claim()))
	w.begin()

	other := w.newProcess()
	other.takeOver("another")
	require.Equal(t, left(admission.AtCapacity), other.plan(100).Left)
	w.end(ids[2])
	other.hear()
	other.plan(100)
	require.Equal(t, map[admission.Reason]int{admission.AtCapacity: 1}, reasons(other.claim()))
	other.begin()
	require.Empty(t, other.plan(100).Left)
}

func TestWhatWaitedWhenAShardWasTakenOverWasKeptByNobodyKnowsWhat(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueue()
	other := w.newProcess()
	other.takeOver("another")
	other.plan(100)
	require.Equal(t, map[admission.Reason]int{dispatch.KeptUnknown: 1}, reasons(other.claim()))
	other.begin()
	other.takeOver("a third")
	other.plan(100)
	w.enqueue()
	other.hear()
	other.plan(100)
	require.Equal(t, map[admission.Reason]int{dispatch.KeptByNothing: 1}, reasons(other.claim()), "it came later")
}
