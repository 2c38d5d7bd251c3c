package definition

import (
	"strings"

	"github.com/google/uuid"
)

// findCycle returns one cycle as "a -> b -> a", or "" when there is none (depth-first search with three colours).
func (d Definition) findCycle() string {
	const (
		unseen = iota
		open
		closed
	)
	nodes := make(map[uuid.UUID]Node, len(d.Nodes))
	for _, n := range d.Nodes {
		nodes[n.ID] = n
	}
	colour := make(map[uuid.UUID]int, len(d.Nodes))
	var path []Node
	var visit func(n Node) string
	visit = func(n Node) string {
		colour[n.ID] = open
		path = append(path, n)
		for _, need := range n.Needs {
			switch colour[need] {
			case open:
				return describeCycle(path, nodes[need])
			case unseen:
				if found := visit(nodes[need]); found != "" {
					return found
				}
			}
		}
		colour[n.ID] = closed
		path = path[:len(path)-1]
		return ""
	}
	for _, n := range d.Nodes {
		if colour[n.ID] == unseen {
			if found := visit(n); found != "" {
				return found
			}
		}
	}
	return ""
}

func describeCycle(path []Node, back Node) string {
	var labels []string
	for i := range path {
		if path[i].ID == back.ID || len(labels) > 0 {
			labels = append(labels, path[i].Label())
		}
	}
	return strings.Join(append(labels, back.Label()), " -> ")
}
