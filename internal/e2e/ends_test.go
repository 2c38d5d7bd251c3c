package e2e

import (
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"sluice/internal/request"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// A way of learning that a workflow has ended.
type way struct {
	name     string
	install  func(*client.Options)
	called   bool // back by the server
	recovers bool
}

// ways are these, each without the others.
var ways = []way{
	{name: "worker", install: host.Install},
	{name: "callback", install: request.Install, called: true},
	{name: "recovery", install: request.Install, recovers: true},
}

// begin starts a worker process and the dispatcher with this way alone.
func (w way) begin(t *testing.T) *stack {
	s := newStackOn(t, w.install)
	s.own("orders", ownTypes)
	var change func(*host.Config)
	if w.called {
		change, _ = s.calledBack()
	}
	s.host(change)
	s.dispatch(workflows.State{})
	if !w.recovers {
		s.stopRecovery()
	}
	return s
}

// calledBack has Temporal call the host that is started next, over a link.
func (s *stack) calledBack() (change func(*host.Config), over *link) {
	s.t.Helper()
	var err error
	s.callbacks, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	over = newLink(s.t, s.callbacks.Addr().String())
	return func(c *host.Config) { c.CallbackURL = "http://" + over.address + "/ended" }, over
}

// stopRecovery leaves what recovery would find to the other ways.
func (s *stack) stopRecovery() {
	s.t.Helper()
	schedule := s.client.ScheduleClient().GetHandle(s.ctx, workflows.RecoveryScheduleID)
	var running []client.ScheduleWorkflowExecution
	s.eventually(func() bool {
		described, err := schedule.Describe(s.ctx)
		require.NoError(s.t, err)
		running = described.Info.RunningWorkflows
		return len(running) > 0
	}, patience, "recovery has not been started")
	require.NoError(s.t, schedule.Delete(s.ctx))
	for _, recovery := range running {
		require.NoError(s.t, s.client.TerminateWorkflow(s.ctx, recovery.WorkflowID, "", "test"))
	}
}

// resetOwn runs a workflow of a caller's own again from its first workflow task.
func (s *stack) resetOwn(workflowID string) (runID string) {
	s.t.Helper()
	answer, err := s.client.ResetWorkflowExecution(s.ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: s.namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
		Reason: "test", WorkflowTaskFinishEventId: 4, RequestId: uuid.NewString(),
		ResetReapplyExcludeTypes: []enumspb.ResetReapplyExcludeType{enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE},
	})
	require.NoError(s.t, err)
	return answer.GetRunId()
}

// startedOwn waits until a workflow has done its first workflow task.
func (s *stack) startedOwn(workflowID string) {
	s.t.Helper()
	s.eventually(func() bool {
		described, err := s.client.DescribeWorkflowExecution(s.ctx, workflowID, "")
		return err == nil && described.GetWorkflowExecutionInfo().GetHistoryLength() > 3 && described.GetPendingWorkflowTask() == nil
	}, patience, "%s was not started", workflowID)
}

// ends are the ways in which a workflow ends, and who can tell.
var ends = []struct {
	name    string
	kind    string
	args    []any
	options client.StartWorkflowOptions
	act     func(s *stack, workflowID string)
	want    string
	unseen  []string // the ways that do not see it
}{
	{name: "completed", kind: "Completes", args: []any{map[string]int{"order": 1}, "x"}, want: workflows.StatusCompleted},
	{name: "failed", kind: "Fails", want: workflows.StatusFailed},
	{name: "cancelled", kind: "Waits", want: workflows.StatusCancelled, act: (*stack).cancelOwn},
	{name: "terminated", kind: "Waits", want: workflows.StatusTerminated, unseen: []string{"worker"}, act: func(s *stack, id string) {
		require.NoError(s.t, s.client.TerminateWorkflow(s.ctx, id, "", "by hand"))
	}},
	{name: "timed out", kind: "Overruns", options: client.StartWorkflowOptions{WorkflowExecutionTimeout: time.Second}, want: workflows.StatusTimedOut, unseen: []string{"worker"}},
	{name: "continued as new thrice", kind: "Continues", args: []any{3}, want: workflows.StatusCompleted},
	{name: "retried", kind: "Retries", options: client.StartWorkflowOptions{RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 5}},
		want: workflows.StatusCompleted},
	{name: "reset while open", kind: "Waits", want: workflows.StatusCancelled, act: func(s *stack, id string) {
		s.resetOwn(id)
		s.startedOwn(id)
		s.cancelOwn(id)
	}},
	// That a workflow is missing is for recovery to say.
	{name: "deleted", kind: "Waits", want: workflows.StatusTerminated, unseen: []string{"worker", "callback"}, act: func(s *stack, id string) {
		_, err := s.client.WorkflowService().DeleteWorkflowExecution(s.ctx, &workflowservice.DeleteWorkflowExecutionRequest{
			Namespace: s.namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id}})
		require.NoError(s.t, err)
	}},
	{name: "terminated by another's start of its id", kind: "Waits", want: workflows.StatusTerminated, unseen: []string{"worker"}, act: func(s *stack, id string) {
		_, err := s.client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: id, TaskQueue: "orders",
			WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING}, "Waits")
		require.NoError(s.t, err)
	}},
}

func (s *stack) cancelOwn(workflowID string) {
	s.t.Helper()
	require.NoError(s.t, s.client.CancelWorkflow(s.ctx, workflowID, ""))
}

func TestEachEndIsLearntByEachWayAlone(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := w.begin(t)
			ws := s.workspace("PRO")
			items := map[string]queue.Answer{}
			for i, end := range ends {
				options := end.options
				options.TaskQueue = "orders"
				if i%2 == 0 || end.name == "terminated by another's start of its id" {
					options.ID = "own " + end.name
				}
				items[end.name] = s.enqueueOwn(ws.ID, options, end.kind, end.args...)
			}
			for _, end := range ends {
				if end.act != nil {
					s.await(items[end.name].QueueID, "DISPATCHED")
					s.startedOwn(items[end.name].WorkflowID)
					end.act(s, items[end.name].WorkflowID)
				}
			}
			unseen := 0
			for _, end := range ends {
				if slices.Contains(end.unseen, w.name) {
					unseen++
					continue
				}
				s.await(items[end.name].QueueID, end.want)
			}
			require.Equal(t, unseen, s.count(`SELECT count(*) FROM sluice.running`), "nothing else holds a slot")
		})
	}
}

// A reset workflow of a caller's own runs again, whatever it is called: it holds a slot again, and its later end counts.
func TestAResetWorkflowOfOnesOwnHoldsASlotAgain(t *testing.T) {
	t.Parallel()
	for _, w := range ways[1:] { // a worker alone does not see that it was reset
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := w.begin(t)
			ws := s.workspace("PRO")
			for _, id := range []string{"", "reset-me"} {
				item := s.enqueueOwn(ws.ID, client.StartWorkflowOptions{ID: id, TaskQueue: "orders"}, "Waits")
				s.startedOwn(item.WorkflowID)
				s.cancelOwn(item.WorkflowID)
				s.await(item.QueueID, workflows.StatusCancelled)
				run := s.resetOwn(item.WorkflowID)
				s.startedOwn(item.WorkflowID)
				if w.recovers {
					require.Equal(t, run, *s.await(item.QueueID, "RUNNING").EngineRunID)
				}
				require.NoError(t, s.client.TerminateWorkflow(s.ctx, item.WorkflowID, run, "enough"))
				require.Equal(t, run, *s.await(item.QueueID, workflows.StatusTerminated).EngineRunID)
			}
		})
	}
}

// A program that runs workers of its own, and no host, can say what they have closed too.
func TestAProgramWithoutAHostTellsWhatItsWorkersHaveClosed(t *testing.T) {
	t.Parallel()
	s := newStackOn(t, request.Install)
	s.host(nil)
	s.dispatch(workflows.State{})
	s.stopRecovery()
	options := client.Options{HostPort: s.address, Namespace: s.namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), ConnectionOptions: slowly}
	_, err := host.Watch(s.ctx, s.client, s.pool)
	require.ErrorContains(t, err, "host.Install")
	host.Install(&options)
	theirs, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(theirs.Close)
	stop, err := host.Watch(s.ctx, theirs, s.pool)
	require.NoError(t, err)
	t.Cleanup(stop)
	program := *s
	program.client = theirs
	program.own("orders", ownTypes)
	item := s.enqueueOwn(s.workspace("PRO").ID, client.StartWorkflowOptions{ID: "order-1", TaskQueue: "orders"}, "Continues", 2)
	require.JSONEq(t, "42", string(s.await(item.QueueID, workflows.StatusCompleted).Output))
}

// Nothing is lost while the endpoint of callbacks cannot be reached, and calls that come afterwards change nothing.
func TestEndsWhileCallbacksAreNotTakenAreLearntByRecovery(t *testing.T) {
	t.Parallel()
	s := newStackOn(t, request.Install)
	s.own("orders", ownTypes)
	change, over := s.calledBack()
	s.host(change)
	s.dispatch(workflows.State{})
	ws := s.workspace(s.tier(40))
	const n = 40
	var items []queue.Answer
	for range n {
		items = append(items, s.enqueueOwn(ws.ID, client.StartWorkflowOptions{TaskQueue: "orders"}, "Waits"))
	}
	s.awaitCount(n, `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`)
	over.cut()
	for _, item := range items {
		require.NoError(t, s.client.TerminateWorkflow(s.ctx, item.WorkflowID, "", "all"))
	}
	s.awaitCount(0, `SELECT count(*) FROM sluice.running`)
	over.mend()
	s.await(s.enqueueOwn(ws.ID, client.StartWorkflowOptions{TaskQueue: "orders"}, "Completes", map[string]int{"order": 1}, "x").QueueID, workflows.StatusCompleted)
	require.Equal(t, n, s.count(`SELECT count(*) FROM sluice.ended WHERE status = 'TERMINATED'`))
}

// An address that the server does not allow costs no item its start.
func TestItemsStartWhereTemporalRefusesTheirCallback(t *testing.T) {
	t.Parallel()
	s := newStackOn(t, request.Install)
	s.own("orders", ownTypes)
	s.host(func(c *host.Config) { c.CallbackURL = "https://sluice.example:8078/ended" })
	s.dispatch(workflows.State{})
	ws := s.workspace("PRO")
	for range 3 {
		item := s.await(s.enqueueOwn(ws.ID, client.StartWorkflowOptions{TaskQueue: "orders"}, "Completes", map[string]int{"order": 1}, "x").QueueID, workflows.StatusCompleted)
		require.Zero(t, item.AttemptCount)
	}
}
