package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// file is a definition as it is written: ids may be missing, and needs may be names. A Definition in JSON is one too.
type file struct {
	Name    string     `json:"name"`
	Timeout Duration   `json:"timeout"`
	Nodes   []fileNode `json:"nodes"`
}

type fileNode struct {
	ID     uuid.UUID       `json:"id"`
	Name   string          `json:"name"`
	Type   NodeType        `json:"type"`
	Config json.RawMessage `json:"config"`
	Needs  []string        `json:"needs"`
}

// Parse decodes and validates a definition. The error joins everything that is wrong with it.
func Parse(raw []byte) (Definition, error) {
	if len(raw) > MaxBytes {
		return Definition{}, fmt.Errorf("definition has %d bytes, at most %d are allowed", len(raw), MaxBytes)
	}
	var f file
	if err := decodeStrict(raw, &f); err != nil {
		return Definition{}, fmt.Errorf("definition is not valid JSON of the expected form: %w", err)
	}
	return f.definition()
}

// ParseVersion decodes a version as the database holds it. It tolerates fields it does not know and a missing name,
// because rows may come from elsewhere; the graph itself is held to the same rules as in Parse.
func ParseVersion(raw []byte, name string) (Definition, error) {
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return Definition{}, fmt.Errorf("definition is not valid JSON of the expected form: %w", err)
	}
	if f.Name == "" {
		f.Name = name
	}
	return f.definition()
}

// definition gives every node its id and every need the id of its node, and returns all that is wrong, joined.
func (f file) definition() (Definition, error) {
	d := Definition{Name: f.Name, Timeout: f.Timeout}
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if f.Name == "" {
		add("name is missing")
	}
	if err := checkTime("timeout", f.Timeout, MaxDelay); err != nil {
		add("%w", err)
	}
	needs := 0
	for _, n := range f.Nodes {
		needs += len(n.Needs)
	}
	switch {
	case len(f.Nodes) == 0:
		add("nodes is empty: a definition needs at least one node")
	case len(f.Nodes) > MaxNodes:
		add("%d nodes, at most %d are allowed", len(f.Nodes), MaxNodes)
		return d, errors.Join(problems...)
	case needs > MaxNeeds:
		add("%d needs of all nodes together, at most %d are allowed", needs, MaxNeeds)
		return d, errors.Join(problems...)
	}
	names := newNames(f)
	for place, n := range f.Nodes {
		node := Node{Name: n.Name, Type: n.Type, Config: n.Config}
		var err error
		if node.ID, err = names.identify(place); err != nil {
			add("%w", err)
		}
		if err := node.validateConfig(); err != nil {
			add("node %s: %w", names.label(place), err)
		}
		d.Nodes = append(d.Nodes, node)
	}
	for place, n := range f.Nodes {
		for _, text := range n.Needs {
			id, err := names.find(text)
			if err != nil {
				add("node %s: needs %q, which is %w", names.label(place), text, err)
			}
			d.Nodes[place].Needs = append(d.Nodes[place].Needs, id)
		}
	}
	if len(problems) == 0 {
		if cycle := d.findCycle(); cycle != "" {
			add("the needs form a cycle: %s", cycle)
		}
	}
	return d, errors.Join(problems...)
}

// decodeStrict decodes one JSON value and refuses unknown fields: a misspelt setting must not be ignored silently.
func decodeStrict(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF { // More would overlook a closing bracket
		return errors.New("there is more after the first JSON value")
	}
	return nil
}
