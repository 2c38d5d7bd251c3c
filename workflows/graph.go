package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
)

// maxOutputBytes limits the output of a whole execution; Temporal refuses results above 2 MiB.
const maxOutputBytes = 1 << 20

// CancelPatience is for how long an execution that was cancelled, or one of whose nodes has failed, waits for its children to
// deal with that. Those that are open after it are terminated.
const CancelPatience = 30 * time.Second

// CancelDeadline is when recovery terminates an execution that was asked to cancel and is still open: no worker carries its
// workflow on, or it would have ended by itself after CancelPatience. A workflow of a caller's own may take as long as it needs; it is
// terminated when no worker has carried it on for so long.
const CancelDeadline = CancelPatience + 15*time.Second

// graph is one run of a definition: nodes whose needs are done run in parallel.
type graph struct {
	input    ExecutionInput
	open     map[uuid.UUID]int   // how many needs of a node are not done
	neededBy map[uuid.UUID][]int // places of the nodes that need one, in the order of the definition
	ready    []int               // places of nodes that can be started
	running  map[int]bool
	done     int

	selector workflow.Selector
	volume   volume
	pacing   bool // what is ready waits for the next workflow task
	gaveUp   bool // CancelPatience is over
	failed   error

	outputs     map[string]json.RawMessage // see definition.OutputKey
	outputBytes int
}

func newGraph(in ExecutionInput) *graph {
	g := &graph{input: in, open: map[uuid.UUID]int{}, neededBy: map[uuid.UUID][]int{}, running: map[int]bool{},
		outputs: map[string]json.RawMessage{}}
	for place, n := range in.Definition.Nodes {
		g.open[n.ID] = len(n.Needs)
		for _, need := range n.Needs {
			g.neededBy[need] = append(g.neededBy[need], place)
		}
		if len(n.Needs) == 0 {
			g.ready = append(g.ready, place)
		}
	}
	return g
}

// nodeError says which node failed.
type nodeError struct {
	node definition.Node
	err  error
}

func (e *nodeError) Error() string { return fmt.Sprintf("node %s failed: %v", e.node.Label(), e.err) }
func (e *nodeError) Unwrap() error { return e.err }

// run returns when every node has completed, or when one has failed or all were cancelled, and the others have ended or had
// CancelPatience to do so.
func (g *graph) run(ctx workflow.Context) error {
	nodes, cancel := workflow.WithCancel(ctx)
	defer cancel()
	patience, stop := workflow.WithCancel(disconnected(ctx))
	defer stop()
	g.selector = workflow.NewSelector(ctx)
	g.selector.AddReceive(nodes.Done(), func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
	for waiting := false; ; {
		if g.failed == nil && nodes.Err() == nil {
			g.start(nodes)
		}
		if g.failed != nil {
			cancel()
		}
		switch {
		case len(g.running) == 0 && !g.pacing:
			if g.failed == nil && g.done < len(g.input.Definition.Nodes) {
				return ctx.Err()
			}
			return g.failed
		case g.gaveUp:
			return errors.Join(g.failed, g.abandoned())
		case nodes.Err() != nil && !waiting && !g.selector.HasPending():
			waiting = true // only children are left, and one that nobody serves takes for ever
			g.selector.AddFuture(workflow.NewTimer(patience, CancelPatience), func(workflow.Future) { g.gaveUp = true })
		}
		g.selector.Select(ctx)
	}
}

// start starts what is ready, as much as one workflow task may carry. The rest waits for the next one.
func (g *graph) start(ctx workflow.Context) {
	for len(g.ready) > 0 && !g.pacing && g.failed == nil {
		place := g.ready[0]
		n := g.input.Definition.Nodes[place]
		s, err := stepOf(g.input, n)
		if err == nil {
			err = g.volume.fits(ctx, s.bytes)
		}
		switch {
		case errors.Is(err, errTaskFull):
			g.pacing = true
			g.selector.AddFuture(workflow.NewTimer(ctx, roundTrip), func(workflow.Future) {
				g.pacing = false
				g.volume.next()
			})
			return
		case err != nil:
			g.fail(n, temporal.NewNonRetryableApplicationError(err.Error(), "InvalidNode", err))
			return
		}
		g.ready = g.ready[1:]
		g.running[place] = true
		g.volume.add(ctx, s)
		g.selector.AddFuture(s.start(ctx), func(f workflow.Future) {
			defer g.failPanicking(n)
			g.finish(ctx, place, f)
		})
	}
}

// failPanicking makes a panic about a node, whatever a child or an endpoint has sent, the failure of that node. Otherwise it
// would fail the workflow task, again and again.
func (g *graph) failPanicking(n definition.Node) {
	if problem := recover(); problem != nil {
		g.fail(n, fmt.Errorf("panic: %v", problem))
	}
}

// finish takes in how a node ended.
func (g *graph) finish(ctx workflow.Context, place int, f workflow.Future) {
	n := g.input.Definition.Nodes[place]
	delete(g.running, place)
	var output converter.RawValue // whatever encoding a child in any language has chosen
	if err := f.Get(ctx, &output); err != nil {
		g.fail(n, err)
		return
	}
	g.complete(n)
	data := output.Payload().GetData()
	if len(data) == 0 {
		return
	}
	g.outputs[g.input.Definition.OutputKey(n)] = asJSON(data)
	if g.outputBytes += len(data); g.outputBytes > maxOutputBytes { // before more of them outgrow the history
		g.fail(n, outputsTooLarge(g.outputBytes))
	}
}

// complete makes ready what has waited for this node last.
func (g *graph) complete(n definition.Node) {
	g.done++
	for _, place := range g.neededBy[n.ID] {
		id := g.input.Definition.Nodes[place].ID
		if g.open[id]--; g.open[id] == 0 {
			g.ready = append(g.ready, place)
		}
	}
}

// fail keeps the first failure.
func (g *graph) fail(n definition.Node, err error) {
	if g.failed == nil {
		g.failed = &nodeError{node: n, err: err}
	}
}

// abandoned says what was still open when CancelPatience was over.
func (g *graph) abandoned() error {
	const most = 5
	var labels []string
	for place, n := range g.input.Definition.Nodes {
		if g.running[place] && len(labels) < most {
			labels = append(labels, n.Label())
		}
	}
	if more := len(g.running) - len(labels); more > 0 {
		labels = append(labels, fmt.Sprintf("%d more", more))
	}
	return fmt.Errorf("terminated what had not dealt with the cancellation within %s: %s", CancelPatience, strings.Join(labels, ", "))
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
		return nil, outputsTooLarge(len(raw))
	}
	return raw, nil
}

func outputsTooLarge(bytes int) error {
	return fmt.Errorf("outputs of the nodes have %d bytes, at most %d are kept; let nodes store large data elsewhere", bytes, maxOutputBytes)
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

func disconnected(ctx workflow.Context) workflow.Context {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return ctx
}
