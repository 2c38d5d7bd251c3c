package admitted_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/queue"
)

// closedRun describes a run that has closed, of an item.
func closedRun(of uuid.UUID) func(request, reply proto.Message) error {
	return func(_, reply proto.Message) error {
		reply.(*workflowservice.DescribeWorkflowExecutionResponse).WorkflowExecutionInfo = &workflowpb.WorkflowExecutionInfo{
			Execution: named("run-of-temporal"), Status: enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, CloseTime: timestamppb.Now(),
			SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
				"SluiceQueueItemId": {Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`"` + of.String() + `"`)}}},
		}
		return nil
	}
}

func (b *bundle) count(t *testing.T) int {
	t.Helper()
	items, err := b.queue.List(t.Context(), queue.Filter{})
	require.NoError(t, err)
	return len(items)
}

// A caller that has awaited a workflow at Temporal can know of its end before the queue does.
func TestAStartRightAfterTheEndWaitsUntilTheEndIsRecorded(t *testing.T) {
	t.Parallel()
	deleted := func(uuid.UUID) func(request, reply proto.Message) error { return closed }
	for name, c := range map[string]struct {
		change func(r *startRequest)
		claim  bool // the item's start has not been recorded either
		answer func(of uuid.UUID) func(request, reply proto.Message) error
		end    string
		want   codes.Code
	}{
		"by default":                             {answer: closedRun, end: "COMPLETED"},
		"after a start that is not on record":    {claim: true, answer: closedRun, end: "COMPLETED"},
		"after a workflow that has been deleted": {answer: deleted, end: "TERMINATED"},
		"that would use the one that runs": {answer: closedRun, end: "COMPLETED", change: func(r *startRequest) {
			r.WorkflowIdConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
		}},
		"only after a failure, and it failed": {answer: closedRun, end: "FAILED", change: func(r *startRequest) {
			r.WorkflowIdReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
		}},
		"only after a failure, and it did not fail": {answer: closedRun, end: "COMPLETED", want: codes.AlreadyExists, change: func(r *startRequest) {
			r.WorkflowIdReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			first := b.start(t, start(nil))
			b.claim(t, first)
			if !c.claim {
				b.settle(t, first)
			}
			asked := 0
			b.answer = func(request, reply proto.Message) error {
				require.True(t, proto.Equal(&workflowservice.DescribeWorkflowExecutionRequest{Namespace: "default", Execution: named("")}, request), "the newest run: %v", request)
				if asked++; asked == 1 { // the start has found the item running, and finds it ended from now on
					if c.claim {
						b.settle(t, first)
					}
					b.end(t, first, c.end)
				}
				return c.answer(first)(request, reply)
			}
			var reply workflowservice.StartWorkflowExecutionResponse
			err := b.do(t.Context(), start(c.change), &reply)
			require.Equal(t, c.want, status.Code(err), "%v", err)
			require.Equal(t, 1, asked)
			require.Nil(t, b.last(), "Temporal is only asked")
			if c.want != codes.OK {
				require.ErrorContains(t, err, "has ended, and its id may not be used again")
				require.Equal(t, 1, b.count(t))
				return
			}
			require.True(t, reply.GetStarted())
			require.NotEqual(t, first.String(), reply.GetRunId())
			require.Equal(t, "PENDING", b.get(t, uuid.MustParse(reply.GetRunId())).Status)
		})
	}
}

func TestAStartAfterAnEndThatIsNotRecordedIsUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.start(t, start(nil))
	b.dispatch(t, first)
	b.answer = closedRun(first)
	r := start(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // it is answered a second before
	defer cancel()
	err := b.do(ctx, r, &workflowservice.StartWorkflowExecutionResponse{})
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	require.ErrorContains(t, err, "workflow invoice-1 has closed, and the end of item "+first.String()+" is not recorded yet")
	require.Equal(t, 1, b.count(t), "nothing is enqueued")
	b.end(t, first, "COMPLETED")
	require.NotEqual(t, first, b.start(t, r), "the client tries again")
}

// Where Temporal does not answer whether the workflow has closed, it may have.
func TestAStartOfAnIDOfWhichTemporalDoesNotTellIsNotAnsweredWithTheItemThatHasIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.dispatch(t, b.start(t, start(nil)))
	for _, code := range []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.PermissionDenied} {
		b.answer = func(_, _ proto.Message) error { return status.Error(code, "not now") }
		require.Equal(t, code, status.Code(b.do(t.Context(), start(nil), &workflowservice.StartWorkflowExecutionResponse{})))
	}
	require.Equal(t, 1, b.count(t))
}

// What Temporal knows under the id is from before, if it knows anything.
func TestAnItemThatIsBeingStartedHasNotEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	b.claim(t, id)
	for name, answer := range map[string]func(request, reply proto.Message) error{"unknown": closed, "another's": closedRun(uuid.New())} {
		b.answer = answer
		var already *serviceerror.WorkflowExecutionAlreadyStarted
		err := b.do(t.Context(), start(nil), &workflowservice.StartWorkflowExecutionResponse{})
		require.ErrorAs(t, serviceerror.FromStatus(status.Convert(err)), &already, name)
		require.Equal(t, id.String(), already.RunId)
	}
}
