package admitted

import (
	"context"
	"errors"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"sluice/queue"
)

const (
	// longPoll is how long a client waits for an event at most until it is told to ask again, as Temporal has it.
	longPoll = 20 * time.Second
	// answerMargin is how long before the client's own deadline it gets its answer.
	answerMargin = time.Second
)

// waiting begins the page token of a client that waits for an item, whose id follows: when it asks again, that item may have ended, and the next
// one wait with the same workflow id.
const waiting = "sluice: waits in the queue as "

// history answers for an item that waits or has ended in the queue. A client that waits for an event waits here until the item is
// started, and then in Temporal: no answer says so.
func (c *Calls) history(ctx context.Context, r *workflowservice.GetWorkflowExecutionHistoryRequest, item queue.State) (queue.State, proto.Message, error) {
	if r.GetWaitNewEvent() {
		limited, cancel := limit(ctx, longPoll)
		defer cancel()
		var err error
		if item, err = c.await(limited, item, isQueued); err != nil && limited.Err() == nil || ctx.Err() != nil {
			return item, nil, errors.Join(err, ctx.Err())
		}
	}
	answer := &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{}}
	switch {
	case neverStarted(item):
		answer.History.Events = []*historypb.HistoryEvent{closing(item)}
	case isQueued(item) && r.GetWaitNewEvent():
		answer.NextPageToken = []byte(waiting + item.ID.String())
	case !isQueued(item):
		return item, nil, nil
	}
	return item, answer, nil
}

// limit returns a context for a wait within a call, which leaves time for an answer before the client's own deadline.
func limit(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)-answerMargin)
	}
	return context.WithTimeout(ctx, most)
}

// withoutOurToken is the request as Temporal knows it: one that has waited in the queue begins at the first page, of its item's run.
func withoutOurToken(r *workflowservice.GetWorkflowExecutionHistoryRequest) *workflowservice.GetWorkflowExecutionHistoryRequest {
	if item, ours := strings.CutPrefix(string(r.GetNextPageToken()), waiting); ours {
		return ofItem(r, item)
	}
	return r
}

// ofItem asks for the first page of an item's own run. By the workflow id alone it could be that of the next item.
func ofItem(r *workflowservice.GetWorkflowExecutionHistoryRequest, item string) *workflowservice.GetWorkflowExecutionHistoryRequest {
	r = proto.CloneOf(r)
	r.NextPageToken = nil
	r.Execution = &commonpb.WorkflowExecution{WorkflowId: r.GetExecution().GetWorkflowId(), RunId: item}
	return r
}
