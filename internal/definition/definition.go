package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
)

// Limits of one definition.
const (
	MaxNodes = 1000
	MaxBytes = 512 << 10 // the graph travels in the input of every execution, which Temporal limits to 2 MiB
)

// NodeType says what a node does.
type NodeType string

// The node types.
const (
	Noop     NodeType = "noop"     // nothing; joins branches
	Delay    NodeType = "delay"    // a durable timer
	HTTP     NodeType = "http"     // one request, made by an activity on the external-API task queue
	Workflow NodeType = "workflow" // a child workflow of any registered type
)

// Definition is the graph that one execution runs.
type Definition struct {
	Name string `json:"name"`
	// Timeout bounds a whole execution; zero means unbounded. A running execution that passes it ends TIMED_OUT.
	Timeout Duration `json:"timeout,omitzero"`
	Nodes   []Node   `json:"nodes"`
}

// Node is one step. It starts when all its Needs have completed.
type Node struct {
	ID     uuid.UUID       `json:"id"`
	Name   string          `json:"name,omitempty"`
	Type   NodeType        `json:"type"`
	Config json.RawMessage `json:"config,omitempty"`
	Needs  []uuid.UUID     `json:"needs,omitempty"`
}

// Label names a node for people: its name, else its id.
func (n Node) Label() string {
	if n.Name != "" {
		return n.Name
	}
	return n.ID.String()
}

// Parse decodes and validates a definition. The error joins everything that is wrong with it.
func Parse(raw []byte) (Definition, error) {
	var d Definition
	if len(raw) > MaxBytes {
		return d, fmt.Errorf("definition has %d bytes, at most %d are allowed", len(raw), MaxBytes)
	}
	if err := decodeStrict(raw, &d); err != nil {
		return d, fmt.Errorf("definition is not valid JSON of the expected form: %w", err)
	}
	return d, d.Validate()
}

// ParseVersion decodes a version as the database holds it. It tolerates fields it does not know and a missing name,
// because rows may come from elsewhere; the graph itself is held to the same rules as in Parse.
func ParseVersion(raw []byte, name string) (Definition, error) {
	var d Definition
	if err := json.Unmarshal(raw, &d); err != nil {
		return d, fmt.Errorf("definition is not valid JSON of the expected form: %w", err)
	}
	if d.Name == "" {
		d.Name = name
	}
	return d, d.Validate()
}

// Validate returns everything that is wrong with the definition, joined; nil when it can run.
func (d Definition) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if d.Name == "" {
		add("name is missing")
	}
	if d.Timeout < 0 {
		add("timeout must not be negative")
	}
	switch {
	case len(d.Nodes) == 0:
		add("nodes is empty: a definition needs at least one node")
	case len(d.Nodes) > MaxNodes:
		add("%d nodes, at most %d are allowed", len(d.Nodes), MaxNodes)
	}
	known := make(map[uuid.UUID]bool, len(d.Nodes))
	for i, n := range d.Nodes {
		switch {
		case n.ID == uuid.Nil:
			add("node %d (%s): id is missing", i+1, n.Name)
		case known[n.ID]:
			add("node %s: id %s is used twice", n.Label(), n.ID)
		}
		known[n.ID] = n.ID != uuid.Nil
		if err := n.validateConfig(); err != nil {
			add("node %s: %w", n.Label(), err)
		}
	}
	for _, n := range d.Nodes {
		for _, need := range n.Needs {
			if !known[need] {
				add("node %s: needs %s, which is no node of this definition", n.Label(), need)
			}
		}
	}
	if len(problems) == 0 {
		if cycle := d.findCycle(); cycle != "" {
			add("the needs form a cycle: %s", cycle)
		}
	}
	return errors.Join(problems...)
}

// Duration is a time.Duration that JSON writes as "1m30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 50ms, 10s or 1h30m", text)
	}
	*d = Duration(parsed)
	return nil
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
