package host

import (
	"context"
	"slices"
	"sync"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
)

// tap tells which workflows the workers of a client have closed, as soon as the server has taken that. It leaves nothing in their
// histories. What it tells is a hint: after a failure the server may try the workflow again.
type tap struct {
	mu    sync.Mutex
	tells []*tell // the last one is told; the others are of hosts that were there before
}

type tell struct {
	ended func(namespace, workflowID, runID string)
}

// tapKey is how a call asks for the tap of its client. It goes no further.
type tapKey struct{}

// tapOf returns the tap of a client; nil: its options were not given to Install.
func tapOf(ctx context.Context, c client.Client) *tap {
	var found *tap
	_, _ = c.WorkflowService().GetSystemInfo(context.WithValue(ctx, tapKey{}, &found), &workflowservice.GetSystemInfoRequest{})
	return found
}

func (t *tap) intercept(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if asked, ok := ctx.Value(tapKey{}).(**tap); ok {
		*asked = t
		return nil
	}
	err := invoke(ctx, method, request, reply, conn, options...)
	if task, ok := request.(*workflowservice.RespondWorkflowTaskCompletedRequest); ok && err == nil && slices.ContainsFunc(task.GetCommands(), closes) {
		t.say(task)
	}
	return err
}

func closes(c *commandpb.Command) bool {
	switch c.GetCommandType() {
	case enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION:
		return true
	}
	return false
}

func (t *tap) say(task *workflowservice.RespondWorkflowTaskCompletedRequest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	workflowID, runID := readToken(task.GetTaskToken())
	if len(t.tells) > 0 && workflowID != "" {
		t.tells[len(t.tells)-1].ended(task.GetNamespace(), workflowID, runID)
	}
}

// listen has ends told until the returned function is called. ended must not block.
func (t *tap) listen(ended func(namespace, workflowID, runID string)) (stop func()) {
	mine := &tell{ended: ended}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tells = append(t.tells, mine)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.tells = slices.DeleteFunc(t.tells, func(other *tell) bool { return other == mine })
	}
}

// listenForEnds has this process look at workflows of its namespace as soon as they are said to have ended, until the returned function
// is called.
func (h *Host) listenForEnds(ctx context.Context, namespace string) (stop func()) {
	h.activities.ServeNamespace(namespace)
	if t := tapOf(ctx, h.cfg.Client); t != nil {
		return t.listen(h.activities.Hear)
	}
	return func() {}
}
