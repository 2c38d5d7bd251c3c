package recovery

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"sluice/internal/store"
	"sluice/workflows"
)

// standing is how an execution's workflow is at one moment, read from the workflow itself.
type standing struct {
	open    bool
	runID   string
	outcome *workflows.Outcome // of a closed or missing one; nil: it is open, or none is known to have been started
	stalled stalled            // of an open one
	unasked bool               // a reset has taken back that it was asked to cancel
}

// missing tells that Temporal does not know the workflow.
func (s standing) missing() bool { return !s.open && s.runID == "" }

// standing asks Temporal for the newest run of an execution's workflow. A chain of runs is open until its last one has closed. How that
// closed is read from its history, unless it is the run of a hint that says it: no run follows the newest one. What no start is known of,
// and is not found, may have its start on the way: that says nothing.
func (r *Recovery) standing(ctx context.Context, k store.Known, hint Hint) (standing, error) {
	found, err := r.describe(ctx, k.WorkflowID, "")
	newest := true
	if err == nil {
		var ours bool
		if ours, err = IsOf(ctx, r.client, found.GetWorkflowExecutionInfo(), k); err != nil {
			return standing{}, err
		}
		if !ours && k.RunID != "" { // its id is in use for another by now
			found, err = r.describe(ctx, k.WorkflowID, k.RunID)
			newest = false
		} else if !ours {
			return standing{}, nil
		}
	}
	if isNotFound(err) && k.RunID == "" {
		return standing{}, nil
	}
	for ; ; found, err = r.describe(ctx, k.WorkflowID, found.next()) {
		if isNotFound(err) {
			return missing(k), nil
		}
		if err != nil {
			return standing{}, err
		}
		info := found.GetWorkflowExecutionInfo()
		s := standing{runID: info.GetExecution().GetRunId()}
		status, closed := outcomeStatus[info.GetStatus()]
		if !closed && info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
			s.open = true
			s.unasked = found.GetWorkflowExtendedInfo().GetLastResetTime() != nil && !found.GetWorkflowExtendedInfo().GetCancelRequested()
			s.stalled, err = r.unserved(ctx, found.DescribeWorkflowExecutionResponse)
			return s, err
		}
		if newest && hint.closes(s.runID, status) {
			found.close = hint.Closed
		} else if events, err := r.newest(ctx, info, 1); err != nil {
			return standing{}, err
		} else if len(events) > 0 {
			found.close = events[0]
		}
		newest = false
		if found.next() != "" {
			continue
		}
		if !closed { // its history has just gone, and with it which run follows
			return missing(k), nil
		}
		s.outcome = ending(found.close)
		s.outcome.ExecutionID, s.outcome.RunID, s.outcome.Status = k.ItemID, s.runID, status
		return s, nil
	}
}

func missing(k store.Known) standing {
	return standing{outcome: &workflows.Outcome{ExecutionID: k.ItemID, Status: workflows.StatusTerminated,
		Error: &workflows.OutcomeError{Message: "the workflow is missing in Temporal: deleted, or past the namespace's retention"}}}
}

func (r *Recovery) describe(ctx context.Context, workflowID, runID string) (described, error) {
	found, err := r.client.DescribeWorkflowExecution(ctx, workflowID, runID)
	if err != nil {
		return described{}, fmt.Errorf("describe %s: %w", workflowID, err)
	}
	return described{DescribeWorkflowExecutionResponse: found}, nil
}

var outcomeStatus = map[enumspb.WorkflowExecutionStatus]string{
	enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:  workflows.StatusCompleted,
	enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:     workflows.StatusFailed,
	enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:   workflows.StatusCancelled,
	enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED: workflows.StatusTerminated,
	enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:  workflows.StatusTimedOut,
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
