package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"

	"sluice/activities"
	"sluice/internal/definition"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

const (
	nobodys     = `{"workflowType":"Child","taskQueue":"nobody"}`
	unknown     = `{"workflowType":"Nope"}`
	largeInput  = 250 << 10
	manyAtOnce  = 20
	unknownType = "unable to find workflow type: Nope"
)

// stuck has a worker, a dispatcher and a recovery that passes all the time, and an endpoint that answers or never does.
func stuck(t *testing.T) (s *stack, api *httptest.Server) {
	t.Helper()
	s = newStack(t)
	hang := make(chan struct{})
	api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hangs":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		case "/fails":
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(api.Close)
	t.Cleanup(func() { close(hang) })
	s.host(func(c *host.Config) { c.HTTPClient = api.Client() })
	s.dispatch(workflows.State{})
	s.reconcile()
	return s, api
}

func (s *stack) started(plan string, input json.RawMessage, nodes ...node) uuid.UUID {
	s.t.Helper()
	ws := s.workspace(plan)
	return s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: s.definition(ws.ID, nodes...).ID, Input: input})
}

func (s *stack) isOpen(id uuid.UUID) bool {
	s.t.Helper()
	w, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(id), "")
	require.NoError(s.t, err)
	return w.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

func TestCancelEndsAnExecutionWhateverItWaitsFor(t *testing.T) {
	t.Parallel()
	s, api := stuck(t)
	config := func(path, more string) string { return fmt.Sprintf(`{"url":%q%s}`, api.URL+path, more) }
	executions := map[string]uuid.UUID{}
	for name, n := range map[string]node{
		"a child that nobody serves":       {kind: "workflow", config: nobodys},
		"a child of a type nobody has":     {kind: "workflow", config: unknown},
		"a timer":                          {kind: "delay", config: forAnHour},
		"a call under way":                 {kind: "http", config: config("/hangs", `,"timeout":"1h"`)},
		"a call that is tried again":       {kind: "http", config: config("/fails", `,"retry":{"initialInterval":"1h","maximumInterval":"2h","maximumAttempts":100}`)},
		"a large call that is tried again": {kind: "http", config: config("/fails", `,"method":"POST","retry":{"initialInterval":"1h","maximumInterval":"2h","maximumAttempts":100}`)},
	} {
		executions[name] = s.started("PRO", json.RawMessage(`{"x":"y"}`), n)
	}
	for name, id := range executions {
		s.awaitStarted(id)
		require.Eventually(t, func() bool {
			awaited, err := operate.Awaited(s.ctx, s.client, operate.Execution(id))
			return err == nil && (len(awaited) > 0 || name == "a timer")
		}, patience, 50*time.Millisecond, name)
	}
	asked := time.Now()
	for _, id := range executions {
		require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(id)))
		_, err := store.AskToCancel(s.ctx, s.pool, id)
		if err != nil {
			require.ErrorIs(t, err, store.ErrUnknownItem, "it ended at once")
		}
	}
	for name, id := range executions {
		item := s.await(id, "CANCELLED")
		require.Less(t, item.CompletedAt.Sub(asked), workflows.CancelPatience+30*time.Second, name)
	}
	s.audit()
}

// Nothing serves its workspace, so the workflow itself cannot deal with the request.
func TestCancelEndsAnExecutionThatNoWorkerServes(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	stop := s.host(nil)
	s.dispatch(workflows.State{})
	s.reconcile()
	id := s.started("PRO", nil, node{kind: "delay", config: forAnHour})
	forced := s.started("PRO", nil, node{kind: "delay", config: forAnHour})
	s.awaitStarted(id)
	s.awaitStarted(forced)
	stop()
	w := worker.New(s.client, workflows.TaskQueueDefault, worker.Options{}) // and none for workspaces
	workflows.RegisterDefault(w)
	activities.New(activities.Config{Pool: s.pool, Client: s.client, Logger: slog.New(slog.DiscardHandler)}).RegisterDefault(w)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	require.NoError(t, operate.Terminate(s.ctx, s.client, operate.Execution(forced), "cancelled with --force by ann"))
	require.Contains(t, string(s.await(forced, "TERMINATED").ExecutionError), "cancelled with --force by ann")
	require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(id)))
	_, err := store.AskToCancel(s.ctx, s.pool, id)
	require.NoError(t, err)
	item := s.await(id, "TERMINATED")
	require.Contains(t, string(item.ExecutionError), "it was asked to cancel, and had not ended 45s later")
	require.False(t, s.isOpen(id))
	s.audit()
}

func TestATypeThatNobodyHasIsSeenWithItsError(t *testing.T) {
	t.Parallel()
	s, _ := stuck(t)
	for name, test := range map[string]struct{ config, want string }{
		"type":       {unknown, unknownType},
		"task queue": {nobodys, "no worker takes the workflow task of its child"},
	} {
		id := s.started("PRO", nil, node{kind: "workflow", config: test.config})
		require.Eventually(t, func() bool {
			item, err := s.queue.Get(s.ctx, id)
			return err == nil && item.UnservedSince != nil && item.Unserved != nil && strings.Contains(*item.Unserved, test.want)
		}, patience, 100*time.Millisecond, name)
	}
}

func TestLargeNodesAreStartedTogether(t *testing.T) {
	t.Parallel()
	s, api := stuck(t)
	input, err := json.Marshal(map[string]string{"x": strings.Repeat("x", largeInput)})
	require.NoError(t, err)
	var calls, children, chain []node
	for range manyAtOnce {
		calls = append(calls, node{kind: "http", config: fmt.Sprintf(`{"url":%q,"method":"POST"}`, api.URL)})
		children = append(children, node{kind: "workflow", config: nobodys})
	}
	for i := range 300 {
		n := node{kind: "http", config: fmt.Sprintf(`{"url":%q,"method":"POST"}`, api.URL)}
		if i > 0 {
			n.needs = []int{i - 1}
		}
		chain = append(chain, n)
	}
	item := s.await(s.started("PRO", input, chain...), "FAILED")
	require.Contains(t, *item.Error, "too-large: ")
	s.await(s.started("PRO", input, calls...), workflows.StatusCompleted)

	id := s.started("PRO", input, children...)
	s.awaitStarted(id)
	require.Eventually(t, func() bool {
		w, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(id), "")
		return err == nil && len(w.GetPendingChildren()) == manyAtOnce
	}, patience, 50*time.Millisecond, "all of them at once")
	require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(id)))
	s.await(id, "CANCELLED")
	require.Eventually(t, func() bool { return !s.isOpen(id) }, patience, 50*time.Millisecond)
	s.audit()
}

// A workflow task that the server refuses is tried again, so what it records would be on record while the workflow is open.
func TestNoOutcomeIsRecordedByATaskThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	var refuse atomic.Bool
	var refused, cancelled, recorded atomic.Int32
	refuse.Store(true)
	c, err := client.Dial(client.Options{HostPort: s.address, Namespace: s.namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: patience, DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
				completed, ok := request.(*workflowservice.RespondWorkflowTaskCompletedRequest)
				if ok && refuse.Load() {
					types := map[enumspb.CommandType]bool{}
					for _, command := range completed.GetCommands() {
						types[command.GetCommandType()] = true
					}
					if types[enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK] {
						refused.Add(1)
						if types[enumspb.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK] {
							cancelled.Add(1)
						}
						return serviceerror.NewInvalidArgument("too large")
					}
				}
				return invoke(ctx, method, request, reply, cc, o...)
			})}}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := worker.New(c, "refused", worker.Options{})
	workflows.RegisterWorkspace(w)
	w.RegisterActivityWithOptions(func(context.Context, workflows.Outcome) error {
		recorded.Add(1)
		return nil
	}, activity.RegisterOptions{Name: workflows.ActivityRecordOutcome})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	start := func(id string, nodes ...definition.Node) client.WorkflowRun {
		run, err := c.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: id, TaskQueue: "refused", WorkflowTaskTimeout: 2 * time.Second},
			workflows.ExecutionType, workflows.ExecutionInput{ExecutionID: uuid.New(), Definition: definition.Definition{Name: "d", Nodes: nodes}})
		require.NoError(t, err)
		return run
	}
	call := definition.Node{ID: uuid.New(), Type: definition.HTTP, Config: json.RawMessage(`{"url":"http://api.test"}`)}
	// One that is started and cancelled in the same task, because another fails in it.
	failed := start("failed", call, definition.Node{ID: uuid.New(), Type: "teleport"})
	require.Eventually(t, func() bool { return cancelled.Load() > 0 }, patience, 10*time.Millisecond)
	require.Zero(t, recorded.Load(), "its workflow is open")

	// One that is cancelled while the server refuses what it starts.
	run := start("cancelled", call)
	before := refused.Load()
	require.Eventually(t, func() bool { return refused.Load() > before }, patience, 10*time.Millisecond)
	require.NoError(t, c.CancelWorkflow(s.ctx, run.GetID(), ""))
	require.ErrorContains(t, run.Get(s.ctx, nil), "canceled")
	require.Positive(t, recorded.Load())

	refuse.Store(false)
	require.ErrorContains(t, failed.Get(s.ctx, nil), "teleport")
}
