package operate_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"sluice/internal/devstack/devtest"
	"sluice/internal/operate"
	"sluice/internal/operate/operatetest"
	"sluice/workflows"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const actor = "test"

// dial gives the test a namespace of its own, because the ids under test are fixed.
func dial(t *testing.T) (c client.Client, namespace string) {
	t.Helper()
	return dialNamespace(t, nil)
}

// dialNamespace is dial, of a namespace that has search attributes.
func dialNamespace(t *testing.T, attributes map[string]string) (c client.Client, namespace string) {
	t.Helper()
	address, namespace := devtest.Namespace(t, attributes)
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, namespace
}

func TestStartIsFoundAndNotRepeated(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	db := newDatabase(t).pool
	first, err := operate.Start(t.Context(), c, namespace, db, workflows.State{Cycle: 7})
	require.NoError(t, err)
	require.False(t, first.AlreadyRunning)
	again, err := operate.Start(t.Context(), c, namespace, db, workflows.State{})
	require.NoError(t, err)
	require.Equal(t, operate.Started{WorkflowID: workflows.DispatcherID, RunID: first.RunID, AlreadyRunning: true}, again)

	described, err := c.DescribeWorkflowExecution(t.Context(), workflows.DispatcherID, "")
	require.NoError(t, err)
	require.Equal(t, workflows.TaskQueueDefault, described.GetExecutionConfig().GetTaskQueue().GetName())
	require.Equal(t, 3*time.Second, described.GetExecutionConfig().GetDefaultWorkflowTaskTimeout().AsDuration())
	require.Zero(t, described.GetExecutionConfig().GetWorkflowExecutionTimeout().AsDuration())

	attributes, err := c.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	require.NoError(t, err)
	for _, name := range workflows.SearchAttributes() {
		require.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD, attributes.GetCustomAttributes()[name], name)
	}
}

func TestConcurrentStartsGiveOneRun(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	db := newDatabase(t).pool
	const n = 20
	type result struct {
		started operate.Started
		err     error
	}
	results := make(chan result, n)
	for range n {
		go func() {
			started, err := operate.Start(t.Context(), c, namespace, db, workflows.State{})
			results <- result{started, err}
		}()
	}
	runs, fresh := map[string]int{}, 0
	for range n {
		r := <-results
		require.NoError(t, r.err)
		runs[r.started.RunID]++
		if !r.started.AlreadyRunning {
			fresh++
		}
	}
	require.Len(t, runs, 1)
	require.Equal(t, 1, fresh)
	_, err := c.ScheduleClient().GetHandle(t.Context(), workflows.RecoveryScheduleID).Describe(t.Context())
	require.NoError(t, err)
}

func TestRecoverySchedule(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	db := newDatabase(t).pool
	handle := c.ScheduleClient().GetHandle(t.Context(), workflows.RecoveryScheduleID)
	// An older build's schedule, paused by an operator.
	_, err := c.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID: workflows.RecoveryScheduleID, Paused: true, Note: "not now",
		Spec:   client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: "old", Workflow: "Old", TaskQueue: "old"},
	})
	require.NoError(t, err)
	_, err = operate.Start(t.Context(), c, namespace, db, workflows.State{})
	require.NoError(t, err)

	current, err := handle.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: time.Minute}}, current.Schedule.Spec.Intervals)
	require.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, current.Schedule.Policy.Overlap)
	require.Equal(t, time.Minute, current.Schedule.Policy.CatchupWindow)
	require.True(t, current.Schedule.State.Paused, "bringing it up to date has ended an operator's pause")
	action := current.Schedule.Action.(*client.ScheduleWorkflowAction)
	require.Equal(t, workflows.RecoveryID, action.ID)
	require.Equal(t, workflows.RecoveryType, action.Workflow)
	require.Equal(t, workflows.TaskQueueDefault, action.TaskQueue)
	require.Zero(t, action.WorkflowRunTimeout)

	_, err = operate.Start(t.Context(), c, namespace, db, workflows.State{})
	require.NoError(t, err)
	again, err := handle.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, current.Info.LastUpdateAt, again.Info.LastUpdateAt, "it was up to date and was written all the same")
}

func TestMessages(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	db := newDatabase(t).pool
	operatetest.Worker(t, c)
	_, err := operate.Start(t.Context(), c, namespace, db, workflows.State{Cycle: 7})
	require.NoError(t, err)

	status, err := operate.Status(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, workflows.PhaseWaiting, status.Phase)
	require.EqualValues(t, 7, status.Cycle)

	all, err := operate.Pause(t.Context(), c, nil, workflows.PauseRequest{Actor: actor, Reason: "lunch"})
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, "lunch", all[0].Pause.Reason)

	_, err = operate.Pause(t.Context(), c, nil, workflows.PauseRequest{Actor: actor})
	require.ErrorIs(t, err, operate.ErrRefused)
	require.EqualError(t, err, "pause: already paused by "+actor)

	all, err = operate.Resume(t.Context(), c, nil, workflows.ResumeRequest{Actor: actor})
	require.NoError(t, err)
	require.Nil(t, all[0].Pause)

	size := 9
	all, err = operate.Configure(t.Context(), c, nil, workflows.ConfigureRequest{Actor: actor, BatchSize: &size})
	require.NoError(t, err)
	require.Equal(t, 9, all[0].Tunables.BatchSize)
}

func TestStop(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	db := newDatabase(t).pool
	operatetest.Worker(t, c)
	schedule := c.ScheduleClient().GetHandle(t.Context(), workflows.RecoveryScheduleID)
	first, err := operate.Start(t.Context(), c, namespace, db, workflows.State{})
	require.NoError(t, err)

	require.NoError(t, operate.Stop(t.Context(), c, nil, workflows.StopRequest{Actor: actor}, operate.StopOptions{}))
	described, err := c.DescribeWorkflowExecution(t.Context(), workflows.DispatcherID, first.RunID)
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, described.GetWorkflowExecutionInfo().GetStatus())
	_, err = schedule.Describe(t.Context())
	require.NoError(t, err, "recovery must outlive the dispatcher")

	_, err = operate.Status(t.Context(), c)
	require.ErrorIs(t, err, operate.ErrNotRunning)
	_, err = operate.Pause(t.Context(), c, nil, workflows.PauseRequest{Actor: actor})
	require.ErrorIs(t, err, operate.ErrNotRunning)

	second, err := operate.Start(t.Context(), c, namespace, db, workflows.State{})
	require.NoError(t, err)
	require.False(t, second.AlreadyRunning)
	require.NotEqual(t, first.RunID, second.RunID)
	var recovery client.ScheduleWorkflowExecution
	require.Eventually(t, func() bool {
		described, err := schedule.Describe(t.Context())
		if err != nil || len(described.Info.RunningWorkflows) != 1 {
			return false
		}
		recovery = described.Info.RunningWorkflows[0]
		return true
	}, 45*time.Second, 20*time.Millisecond, "it begins with the first start, not with the next minute")
	require.NoError(t, operate.Stop(t.Context(), c, nil, workflows.StopRequest{Actor: actor}, operate.StopOptions{DeleteRecovery: true}))
	_, err = schedule.Describe(t.Context())
	require.Error(t, err)
	described, err = c.DescribeWorkflowExecution(t.Context(), recovery.WorkflowID, "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, described.GetWorkflowExecutionInfo().GetStatus(), "it would go on for ever")

	err = operate.Stop(t.Context(), c, nil, workflows.StopRequest{Actor: actor}, operate.StopOptions{DeleteRecovery: true})
	require.ErrorIs(t, err, operate.ErrNotRunning)
}

func TestNeverStarted(t *testing.T) {
	t.Parallel()
	c, _ := dial(t)
	_, err := operate.Status(t.Context(), c)
	require.ErrorIs(t, err, operate.ErrNotRunning)
	require.ErrorIs(t, operate.Stop(t.Context(), c, nil, workflows.StopRequest{Actor: actor}, operate.StopOptions{}), operate.ErrNotRunning)
}

func TestNoWorker(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	db := newDatabase(t).pool
	_, err := operate.Start(t.Context(), c, namespace, db, workflows.State{})
	require.NoError(t, err)
	started := time.Now()
	_, err = operate.Status(t.Context(), c)
	require.ErrorIs(t, err, operate.ErrNoWorker)
	_, err = operate.Pause(t.Context(), c, nil, workflows.PauseRequest{Actor: actor})
	require.ErrorIs(t, err, operate.ErrNoWorker)
	require.ErrorContains(t, err, "no worker answers on task queue workflows.default; run the worker")
	require.Less(t, time.Since(started), 2*operate.AnswerTimeout, "two questions, and neither waits for as long as it may")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	c, _ := dialNamespace(t, workflows.SearchAttributeTypes())
	operatetest.Worker(t, c)
	id := uuid.New()
	require.ErrorIs(t, operate.Cancel(t.Context(), c, operate.Execution(id)), operate.ErrNotOpen)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: workflows.ExecutionID(id), TaskQueue: workflows.TaskQueueDefault,
		TypedSearchAttributes: workflows.ExecutionAttributes(uuid.New(), "FREE", "x", id),
	}, workflows.ExecutionType)
	require.NoError(t, err)
	require.NoError(t, operate.Cancel(t.Context(), c, operate.Execution(id)))
	require.ErrorContains(t, run.Get(t.Context(), nil), "canceled")
	require.ErrorIs(t, operate.Cancel(t.Context(), c, operate.Execution(id)), operate.ErrNotOpen)
}
