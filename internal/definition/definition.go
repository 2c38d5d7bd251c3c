package definition

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Limits of one definition. The graph travels in the input of every execution, which Temporal limits to 2 MiB.
const (
	MaxNodes = 1000
	MaxNeeds = 10_000 // of all nodes together: a need of a few letters becomes an id of 36
	MaxBytes = 512 << 10
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
	// Timeout limits a whole execution; zero means no limit. A running execution that passes it ends TIMED_OUT.
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
