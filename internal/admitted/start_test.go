package admitted_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"sluice/queue"
)

type startRequest = workflowservice.StartWorkflowExecutionRequest

func TestAStartInAWorkspacesNameIsEnqueuedAsItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := start(func(r *startRequest) {
		r.Priority.PriorityKey, r.RequestEagerExecution = 2, true
		r.WorkflowStartDelay = durationpb.New(time.Hour)
	})
	asked := proto.CloneOf(r)
	id := b.start(t, r)
	require.True(t, proto.Equal(asked, r), "the caller's request stays as it was: a retry sends it again")
	item := b.get(t, id)
	require.Equal(t, "PENDING", item.Status)
	require.Equal(t, b.workspace, item.WorkspaceID)
	require.Equal(t, "invoice-1", item.WorkflowID)
	require.Equal(t, 2, item.Priority)
	require.WithinRange(t, item.AvailableAt, time.Now().Add(50*time.Minute), time.Now().Add(70*time.Minute), "a start delay")
	stored, err := b.queue.Request(t.Context(), id)
	require.NoError(t, err)
	asked.RequestEagerExecution = false
	require.True(t, proto.Equal(asked, stored), "%v", stored)
}

func TestALargeStartIsStoredToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := start(func(r *startRequest) { r.Input.Payloads[0].Data = make([]byte, 1<<20) })
	stored, err := b.queue.Request(t.Context(), b.start(t, r))
	require.NoError(t, err)
	require.True(t, proto.Equal(r, stored))
}

func TestWhatIsInNobodysNamePasses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var passed []string
	b.Passed = func(call string) { passed = append(passed, call) }
	for _, r := range []proto.Message{
		start(func(r *startRequest) { r.Priority = nil }),
		&workflowservice.SignalWithStartWorkflowExecutionRequest{Namespace: "default"},
		&workflowservice.ExecuteMultiOperationRequest{Namespace: "default"},
		&workflowservice.CreateScheduleRequest{Namespace: "default"},
		start(func(r *startRequest) { r.Namespace = "another" }),
		start(func(r *startRequest) { // the dispatcher's own
			r.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"SluiceQueueItemId": {}}}
		}),
		&workflowservice.GetSystemInfoRequest{},
	} {
		require.NoError(t, b.do(t.Context(), r, &workflowservice.StartWorkflowExecutionResponse{}))
		require.Same(t, r, b.last())
	}
	require.Equal(t, []string{"Start", "SignalWithStart", "UpdateWithStart", "Schedule"}, passed)
}

// A client that got no answer asks again, maybe long after the workflow has run.
func TestARepeatedStartIsTheSameItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := start(nil)
	id := b.start(t, r)
	require.Equal(t, id, b.start(t, r))
	b.dispatch(t, id)
	require.Equal(t, id, b.start(t, r))
	b.end(t, id, "COMPLETED")
	require.Equal(t, id, b.start(t, r))
}

func TestAnIDThatWaitsOrRunsIsStartedAlready(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil))
	b.startedAlready(t, id)
	b.claim(t, id)
	b.startedAlready(t, id)
	b.settle(t, id)
	b.startedAlready(t, id)
}

// startedAlready requires that a start of the id is answered with this item.
func (b *bundle) startedAlready(t *testing.T, id uuid.UUID) {
	t.Helper()
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	err := b.do(t.Context(), start(nil), &workflowservice.StartWorkflowExecutionResponse{})
	require.ErrorAs(t, serviceerror.FromStatus(status.Convert(err)), &already)
	require.Equal(t, id.String(), already.RunId)
	var reply workflowservice.StartWorkflowExecutionResponse
	require.NoError(t, b.do(t.Context(), start(func(r *startRequest) { r.WorkflowIdConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING }), &reply))
	require.Equal(t, id.String(), reply.GetRunId())
	require.False(t, reply.GetStarted())
}

func TestOfManyStartsOfAnIDAtOnceOneIsEnqueued(t *testing.T) {
	t.Parallel()
	const callers = 8
	b := setup(t)
	for range 3 { // also where the key is still held by an item that has ended
		started := make(chan string, callers)
		var group errgroup.Group
		for range callers {
			group.Go(func() error {
				var reply workflowservice.StartWorkflowExecutionResponse
				err := b.do(t.Context(), start(nil), &reply)
				if status.Code(err) == codes.AlreadyExists {
					return nil
				}
				started <- reply.GetRunId()
				return err
			})
		}
		require.NoError(t, group.Wait())
		require.Len(t, started, 1)
		id := uuid.MustParse(<-started)
		b.dispatch(t, id)
		b.end(t, id, "COMPLETED")
	}
}

func TestTheReusePolicyCountsAfterTheEnd(t *testing.T) {
	t.Parallel()
	ends := map[string]func(t *testing.T, b *bundle, id uuid.UUID){
		"COMPLETED":   func(t *testing.T, b *bundle, id uuid.UUID) { b.dispatch(t, id); b.end(t, id, "COMPLETED") },
		"FAILED":      func(t *testing.T, b *bundle, id uuid.UUID) { b.dispatch(t, id); b.end(t, id, "FAILED") },
		"not started": func(t *testing.T, b *bundle, id uuid.UUID) { b.refuse(t, id, "FAILED", "start-failed") },
	}
	for policy, allowed := range map[enums.WorkflowIdReusePolicy][]string{
		enums.WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED:                 {"COMPLETED", "FAILED", "not started"},
		enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE:             {"COMPLETED", "FAILED", "not started"},
		enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY: {"FAILED", "not started"},
		enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:            {"not started"},
	} {
		for end, befall := range ends {
			t.Run(policy.String()+" after "+end, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				first := b.start(t, start(nil))
				befall(t, b, first)
				var reply workflowservice.StartWorkflowExecutionResponse
				err := b.do(t.Context(), start(func(r *startRequest) { r.WorkflowIdReusePolicy = policy }), &reply)
				if strings.Contains(strings.Join(allowed, ","), end) {
					require.NoError(t, err)
					require.NotEqual(t, first.String(), reply.GetRunId())
				} else {
					require.Equal(t, codes.AlreadyExists, status.Code(err), "%v", err)
				}
			})
		}
	}
}

func TestWhatTheQueueCannotKeepIsRefusedForGood(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for want, change := range map[string]func(r *startRequest){
		"let a Temporal schedule start a workflow that enqueues": func(r *startRequest) { r.CronSchedule = "* * * * *" },
		"terminate that first": func(r *startRequest) {
			r.WorkflowIdConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
		},
		"completion callbacks cannot be attached": func(r *startRequest) {
			r.WorkflowIdConflictPolicy, r.OnConflictOptions = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, &workflowpb.OnConflictOptions{AttachCompletionCallbacks: true}
		},
		"a start with completion callbacks, such as that of a Nexus operation": func(r *startRequest) {
			r.CompletionCallbacks = []*commonpb.Callback{{}}
		},
		"no request id":                         func(r *startRequest) { r.RequestId = "" },
		"no workflow id":                        func(r *startRequest) { r.WorkflowId = "" },
		"unknown workspace":                     func(r *startRequest) { r.Priority.FairnessKey = "globex" },
		"is a type of Sluice itself":            func(r *startRequest) { r.WorkflowType.Name = "Execution" },
		"begins as those of Sluice itself do":   func(r *startRequest) { r.WorkflowId = "execution-1" },
		"at most 2097152 are allowed":           func(r *startRequest) { r.Input.Payloads[0].Data = make([]byte, 3<<20) },
		"priority must be 1 (first) to 5":       func(r *startRequest) { r.Priority.PriorityKey = 6 },
		"task_queue \"workflows.default\" is S": func(r *startRequest) { r.TaskQueue.Name = "workflows.default" },
	} {
		err := b.do(t.Context(), start(change), &workflowservice.StartWorkflowExecutionResponse{})
		require.Equal(t, codes.InvalidArgument, status.Code(err), "%v", err)
		require.ErrorContains(t, err, want)
		require.Nil(t, b.last())
	}
}

func TestALongWorkflowIDHasAKeyToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := start(func(r *startRequest) { r.WorkflowId = strings.Repeat("é", 400) })
	require.Equal(t, b.start(t, r), b.start(t, r))
}

func TestWhatTheFrontendDoesNotAllowIsNotEnqueued(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Allowed = func(context.Context, proto.Message) error { return status.Error(codes.PermissionDenied, "no") }
	require.Equal(t, codes.PermissionDenied, status.Code(b.do(t.Context(), start(nil), &workflowservice.StartWorkflowExecutionResponse{})))
	items, err := b.queue.List(t.Context(), queue.Filter{})
	require.NoError(t, err)
	require.Empty(t, items)
}

func TestADatabaseThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/nowhere")
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b := setup(t)
	b.Queue = queue.New(pool)
	require.Equal(t, codes.Unavailable, status.Code(b.do(t.Context(), start(nil), &workflowservice.StartWorkflowExecutionResponse{})))
	err = b.do(t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{Namespace: "default", Execution: named("")}, &workflowservice.DescribeWorkflowExecutionResponse{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, codes.Canceled, status.Code(b.do(ctx, start(nil), &workflowservice.StartWorkflowExecutionResponse{})))
}
