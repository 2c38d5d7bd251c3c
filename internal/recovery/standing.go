package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"sluice/workflows"
)

// unservedAfter is how long a workflow task may wait for a worker before its execution counts as unserved. A healthy
// one waits milliseconds.
const unservedAfter = 10 * time.Second

// standing is how an execution's workflow is at one moment, read from the workflow itself.
type standing struct {
	open    bool
	ours    bool // it runs on a workspace's task queue; another's may have the same id
	runID   string
	outcome *workflows.Outcome // of a closed or missing one
	untaken time.Duration      // how long its workflow task has been waiting for a worker
}

// standing asks Temporal for the newest run of an execution's workflow.
func (r *Recovery) standing(ctx context.Context, id uuid.UUID) (standing, error) {
	workflowID := workflows.ExecutionID(id)
	found, err := r.client.DescribeWorkflowExecution(ctx, workflowID, "")
	if isNotFound(err) {
		return standing{outcome: &workflows.Outcome{ExecutionID: id, Status: workflows.StatusTerminated,
			Error: &workflows.OutcomeError{Message: "the workflow is missing in Temporal: deleted, or past the namespace's retention"}}}, nil
	}
	if err != nil {
		return standing{}, fmt.Errorf("describe %s: %w", workflowID, err)
	}
	info := found.GetWorkflowExecutionInfo()
	s := standing{runID: info.GetExecution().GetRunId(), ours: workflows.IsWorkspaceTaskQueue(info.GetTaskQueue())}
	status, closed := outcomeStatus[info.GetStatus()]
	if !closed { // open, or continued as a run that is
		s.open, s.untaken = true, untaken(found.GetPendingWorkflowTask())
		return s, nil
	}
	s.outcome = &workflows.Outcome{ExecutionID: id, RunID: s.runID, Status: status}
	// The workflow is closed, so this answers at once, with its result or the error it ended with.
	var output json.RawMessage
	if err := r.client.GetWorkflow(ctx, workflowID, s.runID).Get(ctx, &output); err != nil {
		if unanswered(ctx, err) {
			return standing{}, fmt.Errorf("read the end of %s: %w", workflowID, err)
		}
		s.outcome.Error = &workflows.OutcomeError{Message: rootCause(err).Error()}
	} else {
		s.outcome.Output = output
	}
	return s, nil
}

var outcomeStatus = map[enumspb.WorkflowExecutionStatus]string{
	enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:  workflows.StatusCompleted,
	enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:     workflows.StatusFailed,
	enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:   workflows.StatusCancelled,
	enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED: workflows.StatusTerminated,
	enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:  workflows.StatusTimedOut,
}

// untaken is how long a workflow task has been waiting for a worker; zero when there is none, or a worker has it.
func untaken(task *workflowpb.PendingWorkflowTaskInfo) time.Duration {
	if task.GetState() != enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED {
		return 0
	}
	return time.Since(task.GetScheduledTime().AsTime())
}

// unanswered tells a call that Temporal did not answer from a workflow that ended with an error.
func unanswered(ctx context.Context, err error) bool {
	var refused serviceerror.ServiceError
	return ctx.Err() != nil || errors.As(err, &refused)
}

// rootCause is what ended the workflow, without the layers that name it again.
func rootCause(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
