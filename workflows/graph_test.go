package workflows

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sluice/internal/definition"
)

// Whatever the graph and the order in which its nodes end, each is ready once, after its needs, in the order of the
// definition among those that become ready together.
func TestEveryGraphWithoutCyclesRunsToItsEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var hidden []definition.Node // each needs only what comes before it
		for i := range rapid.IntRange(1, 30).Draw(t, "nodes") {
			n := definition.Node{ID: node(byte(i + 1)), Type: definition.Noop}
			for j := range i {
				for range max(0, rapid.IntRange(-5, 2).Draw(t, "edges")) { // also twice the same
					n.Needs = append(n.Needs, hidden[j].ID)
				}
			}
			hidden = append(hidden, n)
		}
		nodes := rapid.Permutation(hidden).Draw(t, "file")
		g := newGraph(input(nodes...))
		done, begun := map[uuid.UUID]bool{}, map[int]bool{}
		var running []int
		for {
			require.True(t, slices.IsSorted(g.ready), "in the order of the file")
			for _, place := range g.ready {
				require.False(t, begun[place], "a node starts once")
				begun[place] = true
				for _, need := range nodes[place].Needs {
					require.True(t, done[need], "a node starts after its needs")
				}
			}
			running, g.ready = append(running, g.ready...), nil
			if len(running) == 0 {
				break
			}
			next := rapid.IntRange(0, len(running)-1).Draw(t, "ends") // they end in any order
			done[nodes[running[next]].ID] = true
			g.complete(nodes[running[next]])
			running = slices.Delete(running, next, next+1)
		}
		require.Len(t, done, len(nodes), "no node is left")
		require.Equal(t, len(nodes), g.done)
	})
}
