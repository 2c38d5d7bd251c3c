package host

import (
	"context"
	"slices"
	"sync"

	commandpb "go.temporal.io/api/command/v1"
	historypb "go.temporal.io/api/history/v1"
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

// ended is told that a run has closed, and with which event.
type ended func(namespace, workflowID, runID string, closed *historypb.HistoryEvent)

type tell struct{ ended ended }

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
	if task, ok := request.(*workflowservice.RespondWorkflowTaskCompletedRequest); ok && err == nil {
		if closed := closing(task.GetCommands()); closed != nil {
			t.say(task, closed)
		}
	}
	return err
}

// closing is the event that the last of these commands becomes if it closes the workflow; nil if it does not.
func closing(commands []*commandpb.Command) *historypb.HistoryEvent {
	if len(commands) == 0 {
		return nil
	}
	last := commands[len(commands)-1]
	switch {
	case last.GetCompleteWorkflowExecutionCommandAttributes() != nil:
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
			WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{
				Result: last.GetCompleteWorkflowExecutionCommandAttributes().GetResult()}}}
	case last.GetFailWorkflowExecutionCommandAttributes() != nil:
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
			WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{
				Failure: last.GetFailWorkflowExecutionCommandAttributes().GetFailure()}}}
	case last.GetCancelWorkflowExecutionCommandAttributes() != nil:
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes{
			WorkflowExecutionCanceledEventAttributes: &historypb.WorkflowExecutionCanceledEventAttributes{}}}
	}
	return nil
}

func (t *tap) say(task *workflowservice.RespondWorkflowTaskCompletedRequest, closed *historypb.HistoryEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	workflowID, runID := readToken(task.GetTaskToken())
	if len(t.tells) > 0 && workflowID != "" {
		t.tells[len(t.tells)-1].ended(task.GetNamespace(), workflowID, runID, closed)
	}
}

// listen has ends told until the returned function is called. What is told must not block.
func (t *tap) listen(to ended) (stop func()) {
	mine := &tell{ended: to}
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
