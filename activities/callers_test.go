package activities

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"sluice/workflows"
)

// asks has a workflow of a type and an id call an activity of the default task queue, locally or not.
func asks(a *Activities, kind, id string, local bool, name string, args ...any) error {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := newWorkflowEnvironment(&suite)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id, TaskQueue: "q"})
	a.RegisterDefault(env)
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		retry := &temporal.RetryPolicy{MaximumAttempts: 1}
		if local {
			ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{ScheduleToCloseTimeout: time.Minute, RetryPolicy: retry})
			return workflow.ExecuteLocalActivity(ctx, name, args...).Get(ctx, nil)
		}
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: retry})
		return workflow.ExecuteActivity(ctx, name, args...).Get(ctx, nil)
	}, workflow.RegisterOptions{Name: kind})
	env.ExecuteWorkflow(kind)
	return env.GetWorkflowError()
}

// The task queue takes tasks of every workflow of the namespace.
func TestOnlyTheDispatcherAndRecoveryTakeTheirSteps(t *testing.T) {
	t.Parallel()
	f := &frontend{}
	a := New(Config{Pool: database(t), Client: f.dial(t)})
	t.Cleanup(a.Wait)
	const running = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	logged := func() (n int) {
		require.NoError(t, a.pool.QueryRow(context.Background(), `SELECT count(*) FROM sluice.activity_log WHERE actor = 'made up'`).Scan(&n))
		return n
	}
	action := workflows.Action{Actor: "made up", Action: "paused"}
	refused := func(why, kind, id, name string, args ...any) {
		t.Helper()
		err := asks(a, kind, id, false, name, args...)
		var application *temporal.ApplicationError
		require.ErrorAs(t, err, &application)
		require.Equal(t, workflows.ErrorRefused, application.Type())
		require.ErrorContains(t, err, why)
	}
	for name, args := range map[string][]any{
		workflows.ActivityTakeOver: {0, "run", 1}, workflows.ActivityRetire: {0, "run"}, workflows.ActivityCheckCapacity: {workflows.CapacityRequest{}},
		workflows.ActivityClaimExecutions: {workflows.ClaimRequest{}}, workflows.ActivityDispatchExecutions: {workflows.DispatchRequest{}},
		workflows.ActivityAwaitWork: {workflows.AwaitRequest{}}, workflows.ActivityLogAction: {action},
	} {
		refused("not of Sluice itself", "Theirs", workflows.DispatcherID, name, args...)
		refused("not of Sluice itself", workflows.RecoveryType, workflows.RecoveryID, name, args...)
	}
	for name, args := range map[string][]any{workflows.ActivitySweep: nil, workflows.ActivityReleaseStaleClaims: nil, workflows.ActivityReconcile: {aMoment}} {
		refused("not of Sluice itself", "Theirs", workflows.RecoveryID, name, args...)
		refused("not of Sluice itself", workflows.RecoveryType, "execution-1", name, args...)
	}
	for _, id := range []string{"execution-1", "sluice-dispatcher/", "sluice-dispatcher/0", "sluice-dispatcher/01", "sluice-dispatcher/-1", "sluice-dispatcher-1", "Sluice-dispatcher", "2"} {
		refused("not of Sluice itself", workflows.DispatcherType, id, workflows.ActivityLogAction, action)
	}
	f.has(workflows.ShardID(7), testRun, testRun, running, nil, nil)
	f.runs[0].info.ParentExecution = &commonpb.WorkflowExecution{WorkflowId: "theirs"}
	refused("as a child of theirs", workflows.DispatcherType, workflows.ShardID(7), workflows.ActivityLogAction, action)
	require.ErrorContains(t, asks(a, workflows.DispatcherType, workflows.DispatcherID, false, workflows.ActivityLogAction, action), "describe sluice-dispatcher")
	require.Zero(t, logged())

	require.NoError(t, asks(a, workflows.DispatcherType, workflows.ShardID(8), true, workflows.ActivityLogAction, action), "what is local asks nobody")
	require.Equal(t, 1, logged())
	f.runs[0].info.ParentExecution = nil
	require.NoError(t, asks(a, workflows.DispatcherType, workflows.ShardID(7), false, workflows.ActivityLogAction, action))
	f.runs = nil
	require.NoError(t, asks(a, workflows.DispatcherType, workflows.ShardID(7), false, workflows.ActivityLogAction, action), "a run is asked for once")
	require.Equal(t, 3, logged())
	a = New(Config{Pool: a.pool, Client: f.dial(t)})
	f.has(workflows.RecoveryID+"-2026-01-01T00:00:00Z", testRun, testRun, running, nil, nil)
	require.ErrorContains(t, asks(a, workflows.RecoveryType, workflows.RecoveryID+"-2026-01-01T00:00:00Z", false, workflows.ActivitySweep), "describe namespace test", "it goes on to its step")
}
