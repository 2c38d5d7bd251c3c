package admitted_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"sluice/internal/admitted"
)

func closed(request, _ proto.Message) error {
	return status.Error(codes.NotFound, "workflow execution already completed")
}

// run is how callers name the run of an item: not at all, or by the item's id.
func runs(id uuid.UUID) map[string]string {
	return map[string]string{"by workflow id": "", "by run id": id.String()}
}

func describe(b *bundle, t *testing.T, run string) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	var reply workflowservice.DescribeWorkflowExecutionResponse
	require.NoError(t, b.do(t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{Namespace: "default", Execution: named(run)}, &reply))
	return reply.GetWorkflowExecutionInfo()
}

func TestAWorkflowThatWaitsIsDescribedAsRunning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.answer = closed
	r := start(nil)
	id := b.start(t, r)
	for name, run := range runs(id) {
		info := describe(b, t, run)
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, info.GetStatus(), name)
		require.Equal(t, id.String(), info.GetExecution().GetRunId())
		require.Equal(t, "SendInvoice", info.GetType().GetName())
		require.Equal(t, "invoices", info.GetTaskQueue())
		require.Zero(t, info.GetHistoryLength())
		require.True(t, proto.Equal(r.GetMemo(), info.GetMemo()))
	}
	b.refuse(t, id, "EXPIRED", "expired")
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_FAILED, describe(b, t, id.String()).GetStatus())
}

// The item waits for its end: what is open is what such a call means.
func TestAnOpenWorkflowComesBeforeAnItemOfItsID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	var now enums.WorkflowExecutionStatus
	b.answer = func(_, reply proto.Message) error {
		if d, ok := reply.(*workflowservice.DescribeWorkflowExecutionResponse); ok {
			d.WorkflowExecutionInfo = &workflowpb.WorkflowExecutionInfo{Execution: named("open"), Status: now, HistoryLength: 5}
		}
		return nil
	}
	for _, now = range []enums.WorkflowExecutionStatus{enums.WORKFLOW_EXECUTION_STATUS_RUNNING, enums.WORKFLOW_EXECUTION_STATUS_PAUSED} {
		require.Equal(t, "open", describe(b, t, "").GetExecution().GetRunId())
		b.last()
		for _, r := range []proto.Message{
			&workflowservice.TerminateWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named("")},
			&workflowservice.QueryWorkflowRequest{Namespace: "default", Execution: named("")},
			&workflowservice.DeleteWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named("")},
			history("", nil),
		} {
			require.NoError(t, b.do(t.Context(), r, &workflowservice.TerminateWorkflowExecutionResponse{}))
			require.Same(t, r, b.last())
		}
	}
	require.Equal(t, "PENDING", b.get(t, id).Status)
	now = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	for _, r := range []proto.Message{ // they have begun with the open one
		history("", []byte("of Temporal")),
		&workflowservice.GetWorkflowExecutionHistoryReverseRequest{Namespace: "default", Execution: named(""), NextPageToken: []byte("of Temporal")},
	} {
		require.NoError(t, b.do(t.Context(), r, &workflowservice.GetWorkflowExecutionHistoryResponse{}))
		require.Same(t, r, b.last())
	}
	described := describe(b, t, "")
	require.Equal(t, id.String(), described.GetExecution().GetRunId())
	require.Zero(t, described.GetHistoryLength(), "nothing of the closed one is left in it")
}

// For a closed one Temporal answers these too: with its state, and by deleting it or opening it again; or it cancels nothing.
func TestAnItemComesBeforeTheClosedWorkflowOfItsID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	b.answer = func(_, reply proto.Message) error {
		if d, ok := reply.(*workflowservice.DescribeWorkflowExecutionResponse); ok {
			d.WorkflowExecutionInfo = &workflowpb.WorkflowExecutionInfo{Execution: named("closed"), Status: enums.WORKFLOW_EXECUTION_STATUS_COMPLETED}
		}
		return nil
	}
	for _, r := range []proto.Message{
		&workflowservice.QueryWorkflowRequest{Namespace: "default", Execution: named("")},
		&workflowservice.UpdateWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named("")}, // with the id of an earlier one
		&workflowservice.ResetWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named("")},
		&workflowservice.DeleteWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named("")},
		&workflowservice.GetWorkflowExecutionHistoryReverseRequest{Namespace: "default", Execution: named("")},
	} {
		err := b.do(t.Context(), r, &workflowservice.QueryWorkflowResponse{})
		require.Nil(t, b.last(), "%T", r)
		require.Equal(t, codes.FailedPrecondition, status.Code(err), "%T", r)
	}
	require.NoError(t, b.do(t.Context(), &workflowservice.RequestCancelWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named("")},
		&workflowservice.RequestCancelWorkflowExecutionResponse{}))
	require.Nil(t, b.last())
	require.Equal(t, "CANCELLED", b.get(t, id).Status)
}

// An id may be used by several workspaces, and a call does not say for which it is made.
func TestAnItemStandsInForNoWorkflowOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	owner := uuid.NewString()
	b.answer = func(request, reply proto.Message) error {
		switch r := reply.(type) {
		case *workflowservice.DescribeWorkflowExecutionResponse:
			r.WorkflowExecutionInfo = &workflowpb.WorkflowExecutionInfo{Execution: named("closed"), Status: enums.WORKFLOW_EXECUTION_STATUS_COMPLETED,
				Priority: &commonpb.Priority{FairnessKey: owner}}
			return nil
		case *workflowservice.GetWorkflowExecutionHistoryResponse:
			r.History = &historypb.History{Events: []*historypb.HistoryEvent{{EventId: 11}}}
			return nil
		}
		return closed(request, reply)
	}
	terminate := func() error {
		return b.do(t.Context(), &workflowservice.TerminateWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named("")}, &workflowservice.TerminateWorkflowExecutionResponse{})
	}
	require.Equal(t, "closed", describe(b, t, "").GetExecution().GetRunId())
	var result workflowservice.GetWorkflowExecutionHistoryResponse
	require.NoError(t, b.do(t.Context(), history("", nil), &result))
	require.Len(t, result.GetHistory().GetEvents(), 1, "its result")
	require.Equal(t, codes.NotFound, status.Code(terminate()))
	require.Equal(t, "PENDING", b.get(t, id).Status)

	// Its own workspace's is followed by the item.
	owner = b.workspace.String()
	require.Equal(t, id.String(), describe(b, t, "").GetExecution().GetRunId())
	require.NoError(t, terminate())
	require.Equal(t, "CANCELLED", b.get(t, id).Status)
}

func TestOfSeveralWorkspacesThatWaitWithAnIDTheOneOfTheWorkflowIsMeantOrNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.start(t, start(nil))
	var other uuid.UUID
	require.NoError(t, b.pool.QueryRow(t.Context(), `INSERT INTO sluice.workspaces (name, external_key) VALUES ('Globex', 'globex') RETURNING id`).Scan(&other))
	second := b.start(t, start(func(r *startRequest) { r.Priority.FairnessKey = "globex" }))
	b.answer = closed
	err := b.do(t.Context(), &workflowservice.TerminateWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named("")}, &workflowservice.TerminateWorkflowExecutionResponse{})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.ErrorContains(t, err, "items of 2 workspaces wait in the queue to start workflow invoice-1: name the run too")
	for _, id := range []uuid.UUID{first, second} {
		require.Equal(t, "PENDING", b.get(t, id).Status)
		require.Equal(t, id.String(), describe(b, t, id.String()).GetExecution().GetRunId())
	}
	for owner, want := range map[string]string{b.workspace.String(): first.String(), other.String(): second.String(), uuid.NewString(): "closed", "": "closed"} {
		b.answer = func(_, reply proto.Message) error {
			reply.(*workflowservice.DescribeWorkflowExecutionResponse).WorkflowExecutionInfo = &workflowpb.WorkflowExecutionInfo{
				Execution: named("closed"), Status: enums.WORKFLOW_EXECUTION_STATUS_FAILED, Priority: &commonpb.Priority{FairnessKey: owner}}
			return nil
		}
		require.Equal(t, want, describe(b, t, "").GetExecution().GetRunId(), owner)
	}
}

func TestCancelAndTerminateEndAnItemThatWaits(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bundle, run, first string) error{
		"cancel": func(b *bundle, run, first string) error {
			return b.do(context.Background(), &workflowservice.RequestCancelWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named(run),
				FirstExecutionRunId: first, Identity: "shop@host", Reason: "the order is void"}, &workflowservice.RequestCancelWorkflowExecutionResponse{})
		},
		"terminate": func(b *bundle, run, first string) error {
			return b.do(context.Background(), &workflowservice.TerminateWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named(run),
				FirstExecutionRunId: first, Identity: "shop@host", Reason: "the order is void"}, &workflowservice.TerminateWorkflowExecutionResponse{})
		},
	} {
		for _, by := range []string{"workflow id", "run id", "first run id"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				b.answer = closed
				id := b.start(t, start(nil))
				run, first := "", ""
				switch by {
				case "run id":
					run = id.String()
				case "first run id":
					first = id.String()
				}
				require.NoError(t, end(b, run, first))
				item := b.get(t, id)
				require.Equal(t, "CANCELLED", item.Status)
				require.Contains(t, *item.Error, "the order is void")
				require.Equal(t, codes.NotFound, status.Code(end(b, run, first)), "it has ended")
				b.last()
				b.start(t, start(nil)) // its id is free
			})
		}
	}
}

// An item that is claimed just then is being started: the workflow gets the request.
func TestCancelOfAnItemThatIsBeingStartedGoesToTheWorkflow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	b.claim(t, id)
	done := make(chan error, 1)
	r := &workflowservice.RequestCancelWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named(id.String()), FirstExecutionRunId: id.String()}
	go func() {
		done <- b.do(context.Background(), r, &workflowservice.RequestCancelWorkflowExecutionResponse{})
	}()
	require.Never(t, func() bool { return len(done) > 0 }, 50*time.Millisecond, 10*time.Millisecond)
	b.settle(t, id)
	require.NoError(t, <-done)
	sent := b.last().(*workflowservice.RequestCancelWorkflowExecutionRequest)
	require.Equal(t, "run-of-temporal", sent.GetWorkflowExecution().GetRunId())
	require.Equal(t, "run-of-temporal", sent.GetFirstExecutionRunId())
	require.Equal(t, id.String(), r.GetFirstExecutionRunId(), "the caller's request stays as it was")
}

func TestWhatNeedsAWorkflowIsRefusedWhileItWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.answer = closed
	id := b.start(t, start(nil))
	requests := func(run string) []proto.Message {
		return []proto.Message{
			&workflowservice.SignalWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named(run)},
			&workflowservice.QueryWorkflowRequest{Namespace: "default", Execution: named(run)},
			&workflowservice.UpdateWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named(run)},
			&workflowservice.ResetWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named(run)},
			&workflowservice.DeleteWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: named(run)},
			&workflowservice.UpdateWorkflowExecutionOptionsRequest{Namespace: "default", WorkflowExecution: named(run)},
			&workflowservice.GetWorkflowExecutionHistoryReverseRequest{Namespace: "default", Execution: named(run)},
		}
	}
	for name, run := range runs(id) {
		for _, r := range requests(run) {
			err := b.do(t.Context(), r, &workflowservice.SignalWorkflowExecutionResponse{})
			require.Equal(t, codes.FailedPrecondition, status.Code(err), "%s: %T", name, r)
			require.ErrorContains(t, err, "workflow invoice-1 waits in the queue as item "+id.String())
		}
	}
	b.last()
	b.answer = func(_, _ proto.Message) error { return nil }
	b.dispatch(t, id)
	for _, r := range requests(id.String()) {
		require.NoError(t, b.do(t.Context(), r, &workflowservice.SignalWorkflowExecutionResponse{}))
		switch sent := b.last().(type) {
		case interface{ GetWorkflowExecution() *execution }:
			require.Equal(t, "run-of-temporal", sent.GetWorkflowExecution().GetRunId())
		case interface{ GetExecution() *execution }:
			require.Equal(t, "run-of-temporal", sent.GetExecution().GetRunId())
		}
	}
}

// They name the workflow in other ways than most.
func TestCallsAboutActivitiesAndUpdatesKnowTheRunOfAnItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	requests := func(run string) []proto.Message {
		return []proto.Message{
			&workflowservice.RecordActivityTaskHeartbeatByIdRequest{Namespace: "default", WorkflowId: "invoice-1", RunId: run, ActivityId: "a"},
			&workflowservice.RespondActivityTaskCompletedByIdRequest{Namespace: "default", WorkflowId: "invoice-1", RunId: run, ActivityId: "a"},
			&workflowservice.RespondActivityTaskFailedByIdRequest{Namespace: "default", WorkflowId: "invoice-1", RunId: run, ActivityId: "a"},
			&workflowservice.RespondActivityTaskCanceledByIdRequest{Namespace: "default", WorkflowId: "invoice-1", RunId: run, ActivityId: "a"},
			&workflowservice.PollWorkflowExecutionUpdateRequest{Namespace: "default", UpdateRef: &updatepb.UpdateRef{WorkflowExecution: named(run), UpdateId: "u"}},
		}
	}
	do := func(r proto.Message) error {
		method := strings.TrimSuffix(string(r.ProtoReflect().Descriptor().Name()), "Request")
		request, reply, ok := admitted.Messages("/temporal.api.workflowservice.v1.WorkflowService/" + method)
		require.True(t, ok, "a gateway reads %s", method)
		require.IsType(t, r, request)
		return b.do(t.Context(), r, reply)
	}
	for _, r := range requests(id.String()) {
		require.Equal(t, codes.FailedPrecondition, status.Code(do(r)), "%T", r)
	}
	for _, r := range requests("") {
		require.NoError(t, do(r))
		require.Same(t, r, b.last(), "it names no run, and what waits has neither")
	}
	b.dispatch(t, id)
	settled := requests("run-of-temporal")
	for n, r := range requests(id.String()) {
		require.NoError(t, do(r))
		sent := b.last()
		require.True(t, proto.Equal(settled[n], sent), "%T: %v", r, sent)
		require.True(t, proto.Equal(requests(id.String())[n], r), "the caller's request stays as it was")
	}
}

func TestCallsForOtherWorkflowsGoToTemporalAsTheyAre(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	for name, r := range map[string]*workflowservice.DescribeWorkflowExecutionRequest{
		"another id":               {Namespace: "default", Execution: &execution{WorkflowId: "another"}},
		"another run":              {Namespace: "default", Execution: named(uuid.NewString())},
		"another's run":            {Namespace: "default", Execution: &execution{WorkflowId: "another", RunId: id.String()}},
		"a run that is no uuid":    {Namespace: "default", Execution: named("first")},
		"an execution's id":        {Namespace: "default", Execution: &execution{WorkflowId: "execution-" + uuid.NewString()}},
		"another namespace's item": {Namespace: "other", Execution: named(id.String())},
	} {
		require.NoError(t, b.do(t.Context(), r, &workflowservice.DescribeWorkflowExecutionResponse{}), name)
		require.Same(t, proto.Message(r), b.last(), name)
	}
	b.dispatch(t, id)
	r := &workflowservice.DescribeWorkflowExecutionRequest{Namespace: "default", Execution: named("")}
	require.NoError(t, b.do(t.Context(), r, &workflowservice.DescribeWorkflowExecutionResponse{}))
	require.Same(t, proto.Message(r), b.last(), "it runs: Temporal knows its latest run")
}
