package definition

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func ids(list []Node) []uuid.UUID {
	var found []uuid.UUID
	for _, n := range list {
		found = append(found, n.ID)
	}
	return found
}

// drawGraph draws a graph whose nodes need only what comes before them in a hidden order, in any order of the file.
func drawGraph(t *rapid.T) (hidden []Node) {
	count := rapid.IntRange(1, 30).Draw(t, "nodes")
	for i := range count {
		n := Node{ID: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)), Type: Noop}
		for j := range i {
			if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
				n.Needs = append(n.Needs, hidden[j].ID)
			}
		}
		hidden = append(hidden, n)
	}
	return hidden
}

// Names in the place of ids make the same graph.
func TestAGraphOfNamesIsThatOfTheirIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hidden := drawGraph(t)
		name := map[uuid.UUID]string{}
		for i, n := range hidden {
			name[n.ID] = fmt.Sprint("node ", i)
		}
		f := file{Name: "n"}
		for _, n := range rapid.Permutation(hidden).Draw(t, "file") {
			written := fileNode{Name: name[n.ID], Type: Noop}
			if rapid.Bool().Draw(t, "has an id") {
				written.ID = n.ID
			}
			for _, need := range n.Needs {
				written.Needs = append(written.Needs, name[need])
			}
			f.Nodes = append(f.Nodes, written)
		}
		raw, err := json.Marshal(f)
		require.NoError(t, err)
		d, err := Parse(raw)
		require.NoError(t, err)
		labels := map[uuid.UUID]string{}
		for _, n := range d.Nodes {
			labels[n.ID] = n.Label()
		}
		for i, n := range d.Nodes {
			var needs []string
			for _, need := range n.Needs {
				needs = append(needs, labels[need])
			}
			require.Equal(t, f.Nodes[i].Needs, needs)
		}
	})
}

func TestABackEdgeIsACycle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hidden := drawGraph(t)
		// Some node, and one of those it needs, however indirectly; now that one needs it too.
		late := rapid.IntRange(0, len(hidden)-1).Draw(t, "late")
		early := late
		for len(hidden[early].Needs) > 0 && rapid.Bool().Draw(t, "deeper") {
			need := rapid.SampledFrom(hidden[early].Needs).Draw(t, "need")
			early = slices.IndexFunc(hidden, func(n Node) bool { return n.ID == need })
		}
		hidden[early].Needs = append(hidden[early].Needs, hidden[late].ID)
		d := Definition{Name: "n", Nodes: rapid.Permutation(hidden).Draw(t, "file")}
		raw, err := json.Marshal(d)
		require.NoError(t, err)
		_, err = Parse(raw)
		require.ErrorContains(t, err, "the needs form a cycle: ")

		_, path, _ := strings.Cut(err.Error(), "cycle: ")
		steps := strings.Split(path, " -> ")
		require.Equal(t, steps[0], steps[len(steps)-1], "the path ends where it began")
		for i := range len(steps) - 1 {
			from := slices.IndexFunc(d.Nodes, func(n Node) bool { return n.ID.String() == steps[i] })
			require.Contains(t, d.Nodes[from].Needs, uuid.MustParse(steps[i+1]), "each step of it is a need")
		}
	})
}
