package definition

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// madeOfNames is the namespace of the ids that are made of names.
var madeOfNames = uuid.MustParse("6f0b1f5e-3c0d-4b8a-9a51-5f2d8c7e4b10")

// names finds the nodes of a file by their ids and by their names.
type names struct {
	nodes  []fileNode
	made   uuid.UUID         // the namespace of the ids that this definition makes of names
	places map[uuid.UUID]int // of the nodes that have been identified
	named  map[string][]int  // the places of the nodes of each name
	ids    []uuid.UUID       // by place; the nil id where there is none
}

func newNames(f file) *names {
	n := &names{
		nodes: f.Nodes, made: uuid.NewSHA1(madeOfNames, []byte(f.Name)), ids: make([]uuid.UUID, len(f.Nodes)),
		places: make(map[uuid.UUID]int, len(f.Nodes)), named: make(map[string][]int, len(f.Nodes)),
	}
	for place, node := range f.Nodes {
		if node.Name != "" {
			n.named[node.Name] = append(n.named[node.Name], place)
		}
	}
	return n
}

// identify returns the id of a node: the one it is given, or one that is made of its name, so that it stays the same from
// version to version.
func (n *names) identify(place int) (uuid.UUID, error) {
	node := n.nodes[place]
	id := node.ID
	if id == uuid.Nil {
		switch {
		case node.Name == "":
			return id, fmt.Errorf("node %d has neither a name nor an id: give it a name", place+1)
		case len(n.named[node.Name]) > 1:
			return id, fmt.Errorf("node %d (%s) has no id, and its name is that of %s: give it another name, or an id", place+1, node.Name,
				n.list(n.named[node.Name], place))
		}
		id = uuid.NewSHA1(n.made, []byte(node.Name))
	}
	n.ids[place] = id
	if _, used := n.places[id]; used {
		return id, fmt.Errorf("node %s: id %s is used twice", n.label(place), id)
	}
	n.places[id] = place
	return id, nil
}

// find returns the id of the node that a need means. An id comes before a name: a graph that has been resolved, written
// and read again stays as it was.
func (n *names) find(need string) (uuid.UUID, error) {
	if id, err := uuid.Parse(need); err == nil {
		if _, known := n.places[id]; known {
			return id, nil
		}
	}
	switch named := n.named[need]; len(named) {
	case 0:
		return uuid.Nil, errors.New("no node of this definition")
	case 1:
		return n.ids[named[0]], nil
	default:
		return uuid.Nil, fmt.Errorf("the name of %s: give the id of the one that is meant", n.list(named, -1))
	}
}

// label names a node for people: its name, else its id, else its place.
func (n *names) label(place int) string {
	node := n.nodes[place]
	if node.Name == "" && node.ID == uuid.Nil {
		return fmt.Sprint(place + 1)
	}
	return Node{ID: node.ID, Name: node.Name}.Label()
}

// list names nodes by their places and ids, all but one of them; of many only the first.
func (n *names) list(places []int, except int) string {
	const most = 3
	var list []string
	for _, place := range places {
		switch {
		case place == except:
		case len(list) == most:
			return strings.Join(list, " and ") + " and others"
		case n.nodes[place].ID == uuid.Nil:
			list = append(list, fmt.Sprintf("node %d", place+1))
		default:
			list = append(list, fmt.Sprintf("node %d (%s)", place+1, n.nodes[place].ID))
		}
	}
	return strings.Join(list, " and ")
}

// OutputKey is how an execution's result names the output of a node: by its id, or by its name if the id was made from that.
func (d Definition) OutputKey(n Node) string {
	if n.Name != "" && n.ID == uuid.NewSHA1(uuid.NewSHA1(madeOfNames, []byte(d.Name)), []byte(n.Name)) {
		return n.Name
	}
	return n.ID.String()
}
