package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// strangeCall is what a tenant's own workflow does: it calls an activity that is not its own, in a child of an id of its choice if one is named.
type strangeCall struct {
	Child, Activity, TaskQueue string
	Args                       []json.RawMessage // %d: how often it was called before
	Times                      int
	Lasts                      time.Duration
}

func callsStrangely(ctx workflow.Context, c strangeCall) error {
	if c.Child != "" {
		ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: c.Child})
		c.Child = ""
		return workflow.ExecuteChildWorkflow(ctx, "CallsStrangely", c).Get(ctx, nil)
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: c.TaskQueue, StartToCloseTimeout: time.Minute,
		ScheduleToStartTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
	for i := range c.Times {
		args := make([]any, len(c.Args))
		for j, arg := range c.Args {
			args[j] = json.RawMessage(strings.ReplaceAll(string(arg), "%d", fmt.Sprint(i)))
		}
		if err := workflow.ExecuteActivity(ctx, c.Activity, args...).Get(ctx, nil); err != nil {
			return err
		}
	}
	return workflow.Sleep(ctx, c.Lasts)
}

// continuesAs has no parent, unlike a child.
func continuesAs(ctx workflow.Context, kind, taskQueue string) error {
	return workflow.NewContinueAsNewError(workflow.WithWorkflowTaskQueue(ctx, taskQueue), kind, json.RawMessage(`{}`))
}

var (
	strangers   = map[string]any{"CallsStrangely": callsStrangely, "ContinuesAs": continuesAs, "Completes": func(workflow.Context) error { return nil }}
	onStrangers = client.StartWorkflowOptions{TaskQueue: "strangers"}
)

// awaitEnd waits until an item and its execution have ended.
func (s *stack) awaitEnd(id uuid.UUID) queue.State {
	s.t.Helper()
	var item queue.State
	s.eventually(func() (done bool) {
		var err error
		item, err = s.queue.Get(s.ctx, id)
		return err == nil && item.Done()
	}, patience, "item %s never ended", id)
	return item
}

// Secrets and hosts belong to the workspace of an execution. A child may have the id of anybody's.
func TestAChildReadsNoSecretOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	var sent atomic.Value
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent.Store(r.Header.Get("X-Sent")) }))
	defer thief.Close()
	s := newStack(t)
	s.own("strangers", strangers)
	secrets := t.TempDir()
	s.host(func(c *host.Config) { c.SecretsDir = secrets })
	s.dispatch(workflows.State{})
	victim, other := s.workspace("PRO"), s.workspace("PRO")
	require.NoError(t, os.Mkdir(filepath.Join(secrets, victim.ID.String()), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(secrets, victim.ID.String(), "API_KEY"), []byte("of-the-victim"), 0o600))
	flow := s.definition(victim.ID, node{kind: "noop"})
	ofWorkflow := s.enqueueOwn(victim.ID, onStrangers, "Completes").QueueID
	ofDefinition := s.enqueue(queue.Item{WorkspaceID: victim.ID, DefinitionID: flow.ID})
	ofLater := s.enqueue(queue.Item{WorkspaceID: victim.ID, DefinitionID: flow.ID, AvailableAt: time.Now().Add(time.Hour)})
	s.await(ofWorkflow, workflows.StatusCompleted)
	s.await(ofDefinition, workflows.StatusCompleted)
	for _, id := range []uuid.UUID{ofWorkflow, ofDefinition, ofLater} {
		call := s.enqueueOwn(other.ID, onStrangers, "CallsStrangely", strangeCall{Child: workflows.ExecutionID(id), Activity: workflows.ActivityCallHTTP,
			TaskQueue: workflows.TaskQueueExternalAPI, Times: 1,
			Args: []json.RawMessage{json.RawMessage(`{"method": "POST", "url": "` + thief.URL + `", "idempotencyKey": "k", "headers": {"X-Sent": {"secret": "API_KEY"}}}`)}})
		require.Contains(t, string(s.awaitEnd(call.QueueID).ExecutionError), "is no execution")
		require.Nil(t, sent.Load(), "a secret of another workspace was sent")
	}
}

// Whoever takes the shard over again and again ends the dispatcher for good, and nobody's items are started any more.
func TestNoWorkflowButTheDispatcherTakesItsSteps(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.own("strangers", strangers)
	s.run()
	workspace := s.workspace("PRO")
	s.awaitWaiting(1)
	before := s.count(takeovers)
	for _, call := range []strangeCall{
		{Activity: workflows.ActivityTakeOver, Args: []json.RawMessage{[]byte(`0`), []byte(`"theirs-%d"`), []byte(`1`)}},
		{Activity: workflows.ActivityTakeOver, Args: []json.RawMessage{[]byte(`0`), []byte(`"theirs-%d"`), []byte(`1`)}, Child: workflows.ShardID(7)},
		{Activity: workflows.ActivityLogAction, Args: []json.RawMessage{[]byte(`{"actor": "theirs", "action": "paused"}`)}},
		{Activity: workflows.ActivitySweep, Child: workflows.RecoveryID + "-theirs"},
	} {
		call.Times, call.TaskQueue = 3, workflows.TaskQueueDefault
		item := s.awaitEnd(s.enqueueOwn(workspace.ID, onStrangers, "CallsStrangely", call).QueueID)
		require.Contains(t, string(item.ExecutionError), "may not call activity "+call.Activity)
	}
	require.Equal(t, before, s.count(takeovers))
	require.Zero(t, s.count(`SELECT count(*) FROM sluice.activity_log WHERE actor = 'theirs'`))
}

// What continues as another type has no parent that would tell it from the dispatcher.
func TestNoWorkflowBecomesADispatcherOrRecovery(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.own("strangers", strangers)
	s.run()
	workspace := s.workspace("PRO")
	s.awaitWaiting(1)
	before := s.count(takeovers)
	for _, kind := range []string{workflows.DispatcherType, workflows.RecoveryType} {
		item := s.awaitEnd(s.enqueueOwn(workspace.ID, onStrangers, "ContinuesAs", kind, workflows.TaskQueueDefault).QueueID)
		require.Equal(t, workflows.StatusFailed, *item.ExecutionStatus)
		require.Contains(t, string(item.ExecutionError), "not of Sluice itself")
	}
	require.Equal(t, before, s.count(takeovers), "another workflow has taken the shard over")
}

// Whoever records its own end and goes on runs without a slot. Where a host has activities of its own, the task queue of a workspace takes
// calls; and what continues as an execution records its end like one.
func TestAWorkflowThatRunsHoldsASlot(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	workspace := s.workspace(s.tier(1))
	taskQueue := workflows.WorkspaceTaskQueue(workspace.ID)
	s.own("strangers", map[string]any{
		"Reports": func(ctx workflow.Context) error {
			own, _ := workflows.ParseExecutionID(workflow.GetInfo(ctx).WorkflowExecution.ID)
			ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: taskQueue, StartToCloseTimeout: time.Minute})
			if err := workflow.ExecuteActivity(ctx, workflows.ActivityRecordOutcome, workflows.Outcome{ExecutionID: own, Status: workflows.StatusCompleted}).Get(ctx, nil); err != nil {
				return err
			}
			return workflow.Sleep(ctx, time.Hour)
		},
		"BecomesAnExecution": func(ctx workflow.Context) error {
			own, _ := workflows.ParseExecutionID(workflow.GetInfo(ctx).WorkflowExecution.ID)
			return workflow.NewContinueAsNewError(workflow.WithWorkflowTaskQueue(ctx, taskQueue), workflows.ExecutionType,
				workflows.ExecutionInput{ExecutionID: own, WorkspaceID: workspace.ID})
		},
	})
	s.host(func(c *host.Config) {
		c.RegisterActivities = func(r worker.ActivityRegistry) {
			r.RegisterActivityWithOptions(func(context.Context) error { return nil }, activity.RegisterOptions{Name: "Own"})
		}
	})
	s.dispatch(workflows.State{})
	// Something of a definition has the workspace hosted.
	s.await(s.enqueue(queue.Item{WorkspaceID: workspace.ID, DefinitionID: s.definition(workspace.ID, node{kind: "noop"}).ID}), workflows.StatusCompleted)
	for kind, why := range map[string]string{"Reports": "may not call activity RecordOutcome", "BecomesAnExecution": "continues no other"} {
		again := onStrangers
		again.RetryPolicy = &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 3}
		item := s.awaitEnd(s.enqueueOwn(workspace.ID, again, kind).QueueID)
		require.Equal(t, workflows.StatusFailed, *item.ExecutionStatus)
		require.Contains(t, string(item.ExecutionError), why)
	}
}

// A child with the id of a waiting item must not cost it its life: not when it is open by then, and not when it has ended.
func TestAChildTakesNoItemOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.own("strangers", strangers)
	workspace := s.workspace("PRO")
	flow := s.definition(workspace.ID, node{kind: "noop"})
	open := map[uuid.UUID]bool{}
	for _, lasts := range []time.Duration{0, time.Hour} {
		for _, id := range []uuid.UUID{
			s.enqueue(queue.Item{WorkspaceID: workspace.ID, DefinitionID: flow.ID}), s.enqueueOwn(workspace.ID, onStrangers, "Completes").QueueID,
		} {
			open[id] = lasts > 0
			_, err := s.client.ExecuteWorkflow(s.ctx, onStrangers, "CallsStrangely", strangeCall{Child: workflows.ExecutionID(id), Lasts: lasts})
			require.NoError(t, err)
			s.eventually(func() bool {
				child, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(id), "")
				return err == nil && (lasts > 0 || child.GetWorkflowExecutionInfo().GetCloseTime() != nil)
			}, patience, "there is no child")
		}
	}
	s.run()
	for id, waits := range open {
		if waits {
			s.awaitCount(1, `SELECT count(*) FROM sluice.queue_items WHERE id = $1 AND error LIKE 'workflow-id-taken: %is open and was not started for this item%'`, id)
			require.NoError(t, s.client.TerminateWorkflow(s.ctx, workflows.ExecutionID(id), "", "end of test"))
		}
		require.Zero(t, s.await(id, workflows.StatusCompleted).AttemptCount)
	}
	s.audit()
}
