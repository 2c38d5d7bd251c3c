package recovery

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"sluice/internal/store"
	"sluice/workflows"
)

// standing is how an execution's workflow is at one moment, read from the workflow itself.
type standing struct {
	open    bool
	ours    bool // it is the execution's; another's may have the same id
	runID   string
	outcome *workflows.Outcome // of a closed or missing one
	stalled stalled            // of an open one
}

// standing asks Temporal for the newest run of an execution's workflow. A chain of runs is open until its last one has closed.
func (r *Recovery) standing(ctx context.Context, k store.Known) (standing, error) {
	missing := standing{outcome: &workflows.Outcome{ExecutionID: k.ItemID, Status: workflows.StatusTerminated,
		Error: &workflows.OutcomeError{Message: "the workflow is missing in Temporal: deleted, or past the namespace's retention"}}}
	found, err := r.describe(ctx, k.WorkflowID, "")
	if err == nil && !isOf(found.GetWorkflowExecutionInfo(), k) { // its id is in use for another by now
		if k.RunID == "" {
			return missing, nil
		}
		found, err = r.describe(ctx, k.WorkflowID, k.RunID)
	}
	for ; ; found, err = r.describe(ctx, k.WorkflowID, found.next()) {
		if isNotFound(err) {
			return missing, nil
		}
		if err != nil {
			return standing{}, err
		}
		info := found.GetWorkflowExecutionInfo()
		s := standing{runID: info.GetExecution().GetRunId(), ours: k.Own || workflows.IsWorkspaceTaskQueue(info.GetTaskQueue())}
		status, closed := outcomeStatus[info.GetStatus()]
		if !closed && info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
			s.open = true
			s.stalled, err = r.unserved(ctx, found.DescribeWorkflowExecutionResponse)
			return s, err
		}
		events, err := r.newest(ctx, info, 1)
		if err != nil {
			return standing{}, err
		}
		if len(events) > 0 {
			found.close = events[0]
		}
		if found.next() != "" {
			continue
		}
		s.outcome = ending(found.close)
		s.outcome.ExecutionID, s.outcome.RunID, s.outcome.Status = k.ItemID, s.runID, status
		return s, nil
	}
}

// isOf tells whether a workflow is that of an item. An id that derives from the item's is nobody else's; another one may be in use for
// another workflow before and afterwards.
func isOf(info *workflowpb.WorkflowExecutionInfo, k store.Known) bool {
	if !k.Own || k.WorkflowID == workflows.ExecutionID(k.ItemID) {
		return true
	}
	item, ok := itemOf(info)
	return ok && item == k.ItemID
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
