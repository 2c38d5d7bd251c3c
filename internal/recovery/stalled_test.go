package recovery

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/workflows"
)

const unknownType = `unable to find workflow type: Nope. Supported types: [Execution]`

// failing is a workflow task that was tried so often.
func failing(attempt int32) *workflowpb.PendingWorkflowTaskInfo {
	return &workflowpb.PendingWorkflowTaskInfo{State: enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED, Attempt: attempt, ScheduledTime: timestamppb.Now()}
}

func untakenFor(wait time.Duration) *workflowpb.PendingWorkflowTaskInfo {
	return &workflowpb.PendingWorkflowTaskInfo{State: enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED, Attempt: 1,
		ScheduledTime: timestamppb.New(time.Now().Add(-wait))}
}

// failedTask is how a history tells of the first failure of a workflow task, the newest event first.
func failedTask(ago time.Duration, cause enumspb.WorkflowTaskFailedCause, message string) []*historypb.HistoryEvent {
	return []*historypb.HistoryEvent{
		{Attributes: &historypb.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes{}},
		{EventTime: timestamppb.New(time.Now().Add(-ago)), Attributes: &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{
			WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{Cause: cause,
				Failure: &failurepb.Failure{Message: "outer", Cause: &failurepb.Failure{Message: message}}}}},
	}
}

// gives an execution a child.
func (b *bundle) hasChild(parent *workflow, id string, initiated int64, w workflow) *workflow {
	w.status, w.runID = running, "run-of-"+id
	b.temporal.mu.Lock()
	defer b.temporal.mu.Unlock()
	b.temporal.workflows[id] = &w
	parent.children = append(parent.children, &workflowpb.PendingChildExecutionInfo{WorkflowId: id, RunId: w.runID, WorkflowTypeName: "Invoice", InitiatedId: initiated})
	return &w
}

func (b *bundle) unservedWhat(t *testing.T, id uuid.UUID) string {
	t.Helper()
	return one[string](t, b.db, `SELECT coalesce(unserved, '') FROM sluice.running WHERE id = $1`, id)
}

func (b *bundle) later(t *testing.T) {
	t.Helper()
	b.exec(t, `UPDATE sluice.running SET checked_at = now() - interval '1 minute'`)
	b.pass(t)
}

func TestAWorkflowTaskThatFailsIsSeenWithItsError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.run(t, 4)
	unhandled := enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
	b.has(ids[0], workflow{runID: firstRun(ids[0]), status: running, task: failing(7), newest: failedTask(time.Minute, unhandled, unknownType)})
	b.has(ids[1], workflow{runID: firstRun(ids[1]), status: running, task: failing(2), newest: failedTask(time.Second, unhandled, unknownType)})
	b.has(ids[2], workflow{runID: firstRun(ids[2]), status: running, task: failing(1)})
	b.has(ids[3], workflow{runID: firstRun(ids[3]), status: running, task: failing(3), newest: failedTask(time.Hour, unhandled, strings.Repeat("x", 100_000)+"\x00")})
	b.pass(t)
	require.Equal(t, "its workflow task fails (attempt 7): "+unknownType, b.unservedWhat(t, ids[0]))
	require.Empty(t, b.unservedWhat(t, ids[1]), "a task that has just failed may be mended by its next attempt")
	require.Empty(t, b.unservedWhat(t, ids[2]))
	require.Less(t, len(b.unservedWhat(t, ids[3])), 3000)
	require.Contains(t, b.log(t), "unable to find workflow type: Nope")
	b.later(t)
	require.EqualValues(t, 2, b.gauges["sluice_executions_unserved"])
}

func TestAChildThatNobodyServesIsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.run(t, 3)
	fine := b.has(ids[0], workflow{runID: firstRun(ids[0]), status: running})
	b.hasChild(fine, "fine", 5, workflow{taskQueue: "theirs"})
	untaken := b.has(ids[1], workflow{runID: firstRun(ids[1]), status: running})
	b.hasChild(untaken, "waiting", 7, workflow{taskQueue: "nobody", task: untakenFor(time.Minute)})
	b.hasChild(untaken, "healthy", 5, workflow{taskQueue: "theirs", task: untakenFor(time.Second)})
	untaken.children = append(untaken.children, &workflowpb.PendingChildExecutionInfo{WorkflowId: "being started", InitiatedId: 1},
		&workflowpb.PendingChildExecutionInfo{WorkflowId: "gone", RunId: "gone", InitiatedId: 2})
	unknown := b.has(ids[2], workflow{runID: firstRun(ids[2]), status: running})
	nope := b.hasChild(unknown, "nope", 5, workflow{taskQueue: "theirs", task: failing(4),
		newest: failedTask(time.Minute, enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE, unknownType)})
	b.pass(t)
	require.Empty(t, b.unservedWhat(t, ids[0]))
	require.Equal(t, "no worker takes the workflow task of its child waiting (type Invoice, task queue nobody)", b.unservedWhat(t, ids[1]))
	require.Equal(t, "the workflow task of its child nope (type Invoice, task queue theirs) fails (attempt 4): "+unknownType, b.unservedWhat(t, ids[2]))
	b.later(t)
	require.EqualValues(t, 2, b.gauges["sluice_executions_unserved"])

	b.temporal.mu.Lock()
	nope.task = nil // a worker that knows it has come
	b.temporal.mu.Unlock()
	b.later(t)
	require.Empty(t, b.unservedWhat(t, ids[2]))
	require.Equal(t, "RUNNING", b.status(t, ids[2]))
}

func TestWhatTheServerRefusesEndsFailedWithItsReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.run(t, 4)
	refused, reason := enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES, "MaximumInterval cannot be less than InitialInterval"
	ended := b.has(ids[0], workflow{runID: firstRun(ids[0]), status: running, task: failing(9), newest: failedTask(time.Minute, refused, reason)})
	b.has(ids[1], workflow{runID: firstRun(ids[1]), status: running, task: failing(3), newest: failedTask(15*time.Second, refused, reason)})
	b.has(ids[2], workflow{runID: firstRun(ids[2]), status: running, task: failing(9),
		newest: failedTask(time.Hour, enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES, "Namespace x has no mapping defined for search attribute SluicePlan")})
	parent := b.has(ids[3], workflow{runID: firstRun(ids[3]), status: running})
	b.hasChild(parent, "theirs", 5, workflow{taskQueue: "theirs", task: failing(9), newest: failedTask(time.Hour, refused, reason)})
	b.pass(t)
	require.Equal(t, "FAILED", b.status(t, ids[0]))
	require.Equal(t, firstRun(ids[0]), ended.terminated)
	require.Contains(t, one[string](t, b.db, `SELECT error ->> 'message' FROM sluice.executions WHERE id = $1`, ids[0]), reason)
	require.Contains(t, b.freedIDs(), ids[0])
	for _, id := range ids[1:] {
		require.Equal(t, "RUNNING", b.status(t, id), "not yet; an operator's to mend; and a child's own affair")
		require.NotEmpty(t, b.unservedWhat(t, id))
	}
	b.later(t)
	require.Equal(t, "FAILED", b.status(t, ids[0]), "that it was terminated is how it was ended")
}

func TestACancellationThatIsNotDealtWithEndsInATermination(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.run(t, 4)
	for _, id := range ids[:3] {
		b.has(id, workflow{runID: firstRun(id), status: running, task: untakenFor(time.Minute)})
	}
	foreign := b.has(ids[2], workflow{runID: "theirs", status: running, child: true})
	b.exec(t, `UPDATE sluice.running SET checked_at = now(), cancel_asked_at = now() - $2::interval WHERE id = ANY ($1)`, ids, workflows.CancelDeadline+time.Second)
	b.exec(t, `UPDATE sluice.running SET cancel_asked_at = now() - $2::interval WHERE id = $1`, ids[1], workflows.CancelDeadline/2)
	b.pass(t)
	require.Equal(t, "TERMINATED", b.status(t, ids[0]))
	require.Equal(t, "terminated by recovery: it was asked to cancel, and had not ended 45s later",
		one[string](t, b.db, `SELECT error ->> 'message' FROM sluice.executions WHERE id = $1`, ids[0]))
	require.Contains(t, b.freedIDs(), ids[0])
	require.Equal(t, "RUNNING", b.status(t, ids[1]), "its time is not over")
	require.Empty(t, foreign.terminated, "another's workflow is left alone")
	require.Equal(t, "TERMINATED", b.status(t, ids[3]), "it is missing")
	require.EqualValues(t, 1, b.repairs["cancel-overdue"])
	b.pass(t)
	require.Equal(t, "TERMINATED", b.status(t, ids[0]))
}

func TestATerminationIsRecordedWithItsReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.run(t, 1)[0]
	w := b.has(id, workflow{runID: firstRun(id), status: running})
	require.NoError(t, b.temporal.TerminateWorkflow(t.Context(), workflows.ExecutionID(id), w.runID, "history size exceeds limit"))
	b.pass(t)
	require.Equal(t, "terminated by recovery: history size exceeds limit",
		one[string](t, b.db, `SELECT error ->> 'message' FROM sluice.executions WHERE id = $1`, id))
}
