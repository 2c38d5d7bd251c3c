package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"

	"sluice/queue"
	"sluice/workflows"
)

// unservedAfter is how long a workflow task may wait for a worker before its execution counts as unserved. A healthy
// one waits milliseconds.
const unservedAfter = 10 * time.Second

// standing is how an execution's workflow is at one moment, read from the workflow itself.
type standing struct {
	open    bool
	ours    bool // it runs on a workspace's task queue; a stranger's may have the same id
	runID   string
	outcome *workflows.Outcome // of a closed or missing one
	untaken time.Duration      // how long its workflow task has been waiting for a worker
}

// standing asks Temporal for the newest run of an execution's workflow.
func (a *Activities) standing(ctx context.Context, id uuid.UUID) (standing, error) {
	workflowID := workflows.ExecutionID(id)
	found, err := a.client.DescribeWorkflowExecution(ctx, workflowID, "")
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
	if err := a.client.GetWorkflow(ctx, workflowID, s.runID).Get(ctx, &output); err != nil {
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

// end records how a closed or missing workflow ended, and tells whether that was news. Each statement guards the state
// it starts from, so whoever knows better in the meantime wins.
func (a *Activities) end(ctx context.Context, found standing) (bool, error) {
	o := *found.outcome
	recorded, err := a.record(ctx, o)
	switch {
	case errors.Is(err, queue.ErrUnknownItem):
		return false, nil // of another database, or refused before it ran
	case err != nil:
		return false, err
	case recorded:
		return true, a.logRepair(ctx, o.ExecutionID, "no-outcome", o.Status)
	case o.RunID == "":
		return false, nil // past its retention: what was recorded stays
	}
	superseded, err := a.supersede(ctx, o)
	if superseded {
		a.noteRepair(ctx, o.ExecutionID, "superseded", o.Status)
	}
	return superseded, err
}

// reopenUnheld gives open workflows that hold no slot their slot back, and counts them. One whose item was refused is
// terminated: its item has ended, there is no slot for it, and without one perhaps no worker that could cancel it.
func (a *Activities) reopenUnheld(ctx context.Context, open []queue.Run) (n int64, err error) {
	unheld, err := a.queue.Unheld(ctx, open)
	if err != nil || len(unheld) == 0 {
		return 0, err
	}
	for _, run := range open {
		if !slices.Contains(unheld, run.ExecutionID) {
			continue
		}
		reopened, err := a.queue.Reopen(ctx, run)
		if err == nil && !reopened {
			reopened, err = a.endRefused(ctx, run)
		}
		if err != nil {
			return n, err
		}
		if reopened {
			n++
			a.noteRepair(ctx, run.ExecutionID, "reopened", "RUNNING")
		}
	}
	return n, nil
}

func (a *Activities) endRefused(ctx context.Context, run queue.Run) (bool, error) {
	refused, err := a.queue.Refused(ctx, run.ExecutionID)
	if err != nil || !refused {
		return false, err
	}
	err = a.client.TerminateWorkflow(ctx, workflows.ExecutionID(run.ExecutionID), run.RunID, "its queue item has ended without an execution")
	if err != nil && !isNotFound(err) {
		return false, fmt.Errorf("terminate a workflow whose item was refused: %w", err)
	}
	return false, a.logRepair(ctx, run.ExecutionID, "refused-but-open", workflows.StatusTerminated)
}

// logRepair leaves a trace of a repair that its statement does not leave itself.
func (a *Activities) logRepair(ctx context.Context, id uuid.UUID, reason, status string) error {
	a.noteRepair(ctx, id, reason, status)
	return a.queue.Log(ctx, queue.Activity{Actor: "recovery", Action: "recovered", QueueID: &id, Reason: &reason})
}

func (a *Activities) noteRepair(ctx context.Context, id uuid.UUID, reason, status string) {
	activity.GetLogger(ctx).Warn("repaired an execution", "execution", id, "reason", reason, "status", status)
	activity.GetMetricsHandler(ctx).WithTags(map[string]string{"reason": reason}).Counter("sluice_executions_repaired").Inc(1)
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
