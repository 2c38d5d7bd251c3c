package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"

	"sluice/workflows"
)

// standing is how an execution's workflow is at one moment, read from the workflow itself.
type standing struct {
	open    bool
	ours    bool // it runs on a workspace's task queue; another's may have the same id
	runID   string
	outcome *workflows.Outcome // of a closed or missing one
	stalled stalled            // of an open one
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
		s.open = true
		s.stalled, err = r.unserved(ctx, found)
		return s, err
	}
	s.outcome = &workflows.Outcome{ExecutionID: id, RunID: s.runID, Status: status}
	// The workflow is closed, so this answers at once, with its result or the error it ended with.
	var output json.RawMessage
	if err := r.client.GetWorkflow(ctx, workflowID, s.runID).Get(ctx, &output); err != nil {
		if unanswered(ctx, err) {
			return standing{}, fmt.Errorf("read the end of %s: %w", workflowID, err)
		}
		s.outcome.Error = &workflows.OutcomeError{Message: rootCause(err).Error()}
		if status == workflows.StatusTerminated {
			events, err := r.newest(ctx, info, 1)
			if err != nil {
				return standing{}, err
			}
			if by := terminatedBy(events); by != "" {
				s.outcome.Error.Message = by
			}
		}
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

// terminatedBy returns by which identity and for what reason a workflow was terminated, if its last event tells.
func terminatedBy(events []*historypb.HistoryEvent) string {
	if len(events) == 0 || events[0].GetWorkflowExecutionTerminatedEventAttributes() == nil {
		return ""
	}
	by, text := events[0].GetWorkflowExecutionTerminatedEventAttributes(), "terminated"
	if by.GetIdentity() != "" {
		text += " by " + by.GetIdentity()
	}
	if by.GetReason() != "" {
		text += ": " + by.GetReason()
	}
	return shorten(text)
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
