package workflows

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
)

// maxOutputBytes limits the output of a whole execution; Temporal refuses results above 2 MiB.
const maxOutputBytes = 1 << 20

// graph is one run of a definition: nodes whose needs are done run in parallel.
type graph struct {
	input   ExecutionInput
	started map[uuid.UUID]bool
	done    map[uuid.UUID]bool
	outputs map[string]json.RawMessage // see definition.OutputKey
}

func newGraph(in ExecutionInput) *graph {
	return &graph{input: in, started: map[uuid.UUID]bool{}, done: map[uuid.UUID]bool{}, outputs: map[string]json.RawMessage{}}
}

// nodeError says which node failed.
type nodeError struct {
	node definition.Node
	err  error
}

func (e *nodeError) Error() string { return fmt.Sprintf("node %s failed: %v", e.node.Label(), e.err) }
func (e *nodeError) Unwrap() error { return e.err }

// run returns when every node has completed, or when one has failed and the others have been cancelled.
func (g *graph) run(ctx workflow.Context) error {
	nodes, cancel := workflow.WithCancel(ctx)
	defer cancel()
	selector := workflow.NewSelector(ctx)
	var running int
	var failed error
	start := func() {
		for _, n := range g.input.Definition.Ready(g.started, g.done) {
			g.started[n.ID] = true
			running++
			selector.AddFuture(startNode(nodes, g.input, n), func(f workflow.Future) {
				running--
				var output json.RawMessage
				if err := f.Get(nodes, &output); err != nil {
					if failed == nil {
						failed = &nodeError{node: n, err: err}
						cancel()
					}
					return
				}
				g.done[n.ID] = true
				if len(output) > 0 {
					g.outputs[g.input.Definition.OutputKey(n)] = asJSON(output)
				}
			})
		}
	}
	for start(); running > 0; {
		selector.Select(ctx)
		if failed == nil {
			start()
		}
	}
	return failed
}

// output is the result of a run that ended with err, and err again or what is wrong with the result.
func (g *graph) output(err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(g.outputs)
	if err != nil {
		return nil, fmt.Errorf("encode outputs: %w", err)
	}
	if len(raw) > maxOutputBytes {
		return nil, fmt.Errorf("outputs of all nodes have %d bytes, at most %d are kept; let nodes store large data elsewhere", len(raw), maxOutputBytes)
	}
	return raw, nil
}

// asJSON keeps JSON as it is; other bytes, which a child in any language may return, become a base64 string.
func asJSON(raw json.RawMessage) json.RawMessage {
	if json.Valid(raw) {
		return raw
	}
	quoted, err := json.Marshal([]byte(raw))
	if err != nil {
		panic(err) // bytes always encode
	}
	return quoted
}
