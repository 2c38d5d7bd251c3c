package admitted_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"sluice/internal/admitted"
	"sluice/queue"
)

type execution = commonpb.WorkflowExecution

func history(run string, token []byte) *workflowservice.GetWorkflowExecutionHistoryRequest {
	return &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: "default", Execution: named(run), WaitNewEvent: true,
		HistoryEventFilterType: enums.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT, NextPageToken: token}
}

func TestWhoWaitsForAResultWaitsThroughTheQueue(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"workflow id", "run id"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.start(t, start(nil))
			run := runs(id)["by "+by]
			var reply workflowservice.GetWorkflowExecutionHistoryResponse
			for n := range 5 {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // one of them is kept for the answer
				err := b.do(ctx, history(run, nil), &reply)
				late := ctx.Err() != nil
				cancel()
				if late && n < 4 {
					continue // the machine stood still for longer
				}
				require.NoError(t, err)
				break
			}
			require.Empty(t, reply.GetHistory().GetEvents())
			require.NotEmpty(t, reply.GetNextPageToken(), "it is told to ask again")
			require.Nil(t, b.last())

			b.claim(t, id)
			done := make(chan error, 1)
			go func() {
				done <- b.do(context.Background(), history(run, reply.GetNextPageToken()), &workflowservice.GetWorkflowExecutionHistoryResponse{})
			}()
			require.Never(t, func() bool { return len(done) > 0 }, 50*time.Millisecond, 10*time.Millisecond)
			b.settle(t, id)
			require.NoError(t, <-done)
			sent := b.last().(*workflowservice.GetWorkflowExecutionHistoryRequest)
			require.Equal(t, "run-of-temporal", sent.GetExecution().GetRunId())
			require.Empty(t, sent.GetNextPageToken(), "Temporal begins at the first page")

			require.NoError(t, b.do(t.Context(), history(run, reply.GetNextPageToken()), &workflowservice.GetWorkflowExecutionHistoryResponse{}))
			require.Empty(t, b.last().(*workflowservice.GetWorkflowExecutionHistoryRequest).GetNextPageToken(), "also if it was started between two calls")
			require.NoError(t, b.do(t.Context(), history(id.String(), []byte("of Temporal")), &workflowservice.GetWorkflowExecutionHistoryResponse{}))
			require.Equal(t, "of Temporal", string(b.last().(*workflowservice.GetWorkflowExecutionHistoryRequest).GetNextPageToken()))
		})
	}
}

// Who names no run means the item that waited when it first asked, whatever has the workflow id by the time that it asks again.
func TestWhoWaitsByAWorkflowIDGetsTheResultOfTheItemThatItWaitsFor(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(b *bundle, t *testing.T, id uuid.UUID){
		"nothing has the id": func(*bundle, *testing.T, uuid.UUID) {},
		"the next item waits": func(b *bundle, t *testing.T, id uuid.UUID) {
			b.end(t, id, "COMPLETED")
			b.start(t, start(nil))
		},
		"another workflow is open": func(b *bundle, t *testing.T, id uuid.UUID) {
			b.end(t, id, "COMPLETED")
			b.answer = func(_, reply proto.Message) error {
				if d, ok := reply.(*workflowservice.DescribeWorkflowExecutionResponse); ok {
					d.WorkflowExecutionInfo = &workflowpb.WorkflowExecutionInfo{Execution: named("open"), Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING}
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.start(t, start(nil))
			b.dispatch(t, id)
			next(b, t, id)
			token := []byte("sluice: waits in the queue as " + id.String())
			require.NoError(t, b.do(t.Context(), history("", token), &workflowservice.GetWorkflowExecutionHistoryResponse{}))
			require.True(t, proto.Equal(history("run-of-temporal", nil), b.last()))
		})
	}
}

// lookedAt is a queue that does something after so many looks at an item, before the next.
type lookedAt struct {
	admitted.Queue
	after int
	then  func()
}

func (q *lookedAt) Get(ctx context.Context, id uuid.UUID) (queue.State, error) {
	if q.after == 0 {
		q.then()
	}
	q.after--
	return q.Queue.Get(ctx, id)
}

func TestWhoWaitsByAWorkflowIDIsSentToTheRunThatItsItemHasBecome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for looks, when := range []string{"as it is found", "as it is waited for"} {
		id := b.start(t, start(nil))
		b.Calls.Queue = &lookedAt{Queue: b.queue, after: looks, then: func() { b.dispatch(t, id) }}
		require.NoError(t, b.do(t.Context(), history("", nil), &workflowservice.GetWorkflowExecutionHistoryResponse{}))
		require.True(t, proto.Equal(history("run-of-temporal", nil), b.last()), when)
		b.Calls.Queue = b.queue
		b.end(t, id, "COMPLETED")
	}
}

func TestAnItemThatEndsInTheQueueHasACloseEvent(t *testing.T) {
	t.Parallel()
	for end, want := range map[string]struct {
		reason string
		event  enums.EventType
		kind   string
		text   string
	}{
		"CANCELLED": {"cancelled", enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, "", ""},
		"EXPIRED":   {"expired", enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, "SluiceExpired", " expired in the queue: expired: it was so"},
		"FAILED":    {"start-failed", enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, "SluiceNotStarted", " could not be started: start-failed: it was so"},
	} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.start(t, start(nil))
			done := make(chan error, 1)
			var reply workflowservice.GetWorkflowExecutionHistoryResponse
			go func() { done <- b.do(context.Background(), history(id.String(), nil), &reply) }()
			b.refuse(t, id, end, want.reason)
			require.NoError(t, <-done)
			require.Nil(t, b.last())
			require.Empty(t, reply.GetNextPageToken())
			require.Len(t, reply.GetHistory().GetEvents(), 1)
			event := reply.GetHistory().GetEvents()[0]
			require.Equal(t, want.event, event.GetEventType())
			failure := event.GetWorkflowExecutionFailedEventAttributes().GetFailure()
			require.Equal(t, want.kind, failure.GetApplicationFailureInfo().GetType())
			require.Contains(t, failure.GetMessage(), want.text)
		})
	}
}

func TestAHistoryThatIsNotWaitedForIsEmpty(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	r := history(id.String(), nil)
	r.WaitNewEvent = false
	var reply workflowservice.GetWorkflowExecutionHistoryResponse
	require.NoError(t, b.do(t.Context(), r, &reply))
	require.True(t, proto.Equal(&workflowservice.GetWorkflowExecutionHistoryResponse{History: reply.History}, &reply))
	require.Empty(t, reply.GetHistory().GetEvents())
}
