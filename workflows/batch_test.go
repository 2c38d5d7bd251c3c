package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheBatchFollowsWhatTemporalTakes(t *testing.T) {
	t.Parallel()
	d := dispatcher{State: State{Tunables: Tunables{BatchSize: 100}.WithDefaults()}}
	adapt := func(r DispatchResult) (batch, room int) {
		d.adapt(r)
		return d.batch(), d.room()
	}
	for _, step := range []struct {
		result      DispatchResult
		batch, room int
	}{
		{DispatchResult{Started: 100}, 100, 100},
		{DispatchResult{Started: 70, Left: 30}, 50, 20},
		{DispatchResult{Left: 49}, 25, 1},
		{DispatchResult{Left: 1}, 12, 11},
		{DispatchResult{Left: 1}, 8, 7},
		{DispatchResult{Left: 8}, 8, 1},
		{DispatchResult{Failed: 3}, 8, 8}, // says nothing about Temporal
		{DispatchResult{Started: 8}, 16, 16},
		{DispatchResult{Started: 16}, 32, 32},
		{DispatchResult{Started: 1}, 64, 64},
		{DispatchResult{Started: 64}, 100, 100},
	} {
		batch, room := adapt(step.result)
		require.Equal(t, []int{step.batch, step.room}, []int{batch, room}, "%+v", step.result)
	}
	require.Zero(t, d.Batch, "nothing is carried on once it is whole again")

	d.Tunables.BatchSize = 3
	adapt(DispatchResult{Left: 1})
	require.Equal(t, 3, d.batch(), "never above what is asked for")
}

func TestAClaimWithoutAnAnswerHalvesTheBatch(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 300, slots: 300, leave: 100}
	var seen []int
	f.onDispatch = func(claimed int) { seen = append(seen, claimed) }
	drain(t, f, State{Tunables: Tunables{BatchSize: 128}})
	require.Equal(t, 300, f.started)
	require.Equal(t, []int{128, 101, 128, 43}, seen, "100 were left, one more was claimed, and then all went through")
}
