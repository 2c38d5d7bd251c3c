package workflows

import (
	"encoding/json"
	"errors"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
)

// Execution runs one definition for one workspace and records the outcome, which frees the slot and tells the
// dispatcher. It returns the outputs of its nodes as a JSON object, by the ids
// of the nodes, or by their names where they have no ids of their own. When it fails, so does the workflow;
// when it is cancelled, the outcome is recorded all the same.
func Execution(ctx workflow.Context, in ExecutionInput) (json.RawMessage, error) {
	if err := standsAlone(ctx); err != nil {
		return nil, err
	}
	if err := beginsAnew(ctx); err != nil {
		return nil, err
	}
	g := newGraph(in)
	err := refuseForeign(in)
	if err == nil {
		err = g.run(ctx)
	}
	output, err := g.output(err)
	outcome := Outcome{ExecutionID: in.ExecutionID, RunID: workflow.GetInfo(ctx).WorkflowExecution.RunID, Status: StatusCompleted, Output: output}
	if err != nil {
		outcome.Status, outcome.Error = StatusFailed, outcomeError(err)
		if ctx.Err() != nil {
			outcome.Status = StatusCancelled
		}
	}
	record := disconnected(ctx)
	g.volume.accepted(record)
	if recordErr := recordOutcome(record, outcome); recordErr != nil {
		// Only an execution that this database does not know ends here; its workflow ends as its nodes did.
		workflow.GetLogger(ctx).Error("outcome not recorded", "execution", in.ExecutionID, "error", recordErr)
	}
	if err != nil && ctx.Err() != nil {
		return nil, temporal.NewCanceledError(cut(err.Error()))
	}
	return output, small(err)
}

// maxErrorBytes is what is kept of an error: a child's may have 2 MiB, and with the names of the nodes around it the server
// would refuse to end the workflow.
const maxErrorBytes = 16 << 10

// small returns an error that the server takes: the one it is given, or else one of its message alone.
func small(err error) error {
	if err == nil || proto.Size(temporal.GetDefaultFailureConverter().ErrorToFailure(err)) <= 4*maxErrorBytes {
		return err
	}
	return temporal.NewApplicationError(cut(err.Error()), "NodeFailed")
}

func cut(text string) string {
	if len(text) <= maxErrorBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorBytes], "") + "…"
}

func outcomeError(err error) *OutcomeError {
	o := &OutcomeError{Message: err.Error()}
	var n *nodeError
	if errors.As(err, &n) {
		o.NodeID, o.NodeName, o.Message = &n.node.ID, n.node.Name, rootMessage(n.err)
	}
	o.Message, o.NodeName = cut(o.Message), cut(o.NodeName)
	return o
}

// rootMessage is the message of the application error inside: what went wrong, without the layers that carried it.
func rootMessage(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}
