package activities

import (
	"context"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"sluice/queue"
	"sluice/workflows"
)

// closings are the closed runs that Temporal has shown to the passes of one call. Each is compared in every pass for
// visibilityLag, but closes only once, and each time it is read takes some 50 µs of processor time: what closed
// since the last pass is listed, what closed before is counted, and listed again only when there are others than those
// that are known. Temporal calls its counts approximate, so a call begins with none.
type closings []closing

type closing struct {
	run  queue.Run
	ours bool // false: the workflow is nobody's execution
	at   time.Time
}

// runs are those of executions.
func (c closings) runs() []queue.Run {
	var runs []queue.Run
	for _, closed := range c {
		if closed.ours {
			runs = append(runs, closed.run)
		}
	}
	return runs
}

// between are those that closed between two moments.
func (c closings) between(from, to time.Time) closings {
	return slices.DeleteFunc(c, func(closed closing) bool { return closed.at.Before(from) || !closed.at.Before(to) })
}

// look brings what is known up to date, and returns the runs that are open and started lately. It looks back from the
// moment before which everything has been looked at.
func (a *Activities) look(ctx context.Context, since time.Time, known closings) (closed closings, open []queue.Run, err error) {
	since = since.Truncate(time.Millisecond) // no finer than any store of Temporal's compares
	from, recent := since.Add(-visibilityLag), since.Add(-usualLag)
	unread := from
	if closed = known.between(from, recent); len(closed) > 0 {
		shown, err := a.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowType = '%s' AND CloseTime >= '%s' AND CloseTime < '%s'", workflows.ExecutionType, inQuery(from), inQuery(recent))})
		if err != nil {
			return nil, nil, fmt.Errorf("count closed executions: %w", err)
		}
		if shown.GetCount() == int64(len(closed)) {
			unread = recent
		} else {
			closed = nil
		}
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: listPage, Query: fmt.Sprintf(
		"WorkflowType = '%s' AND (CloseTime >= '%s' OR (ExecutionStatus = 'Running' AND StartTime >= '%s'))",
		workflows.ExecutionType, inQuery(unread), inQuery(from))}
	for range listPages {
		page, err := a.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, nil, fmt.Errorf("list executions (%s): %w", request.GetQuery(), err)
		}
		for _, info := range page.GetExecutions() {
			run, ours := runOf(info)
			switch {
			case info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
				closed = append(closed, closing{run: run, ours: ours, at: info.GetCloseTime().AsTime()})
			case ours:
				open = append(open, run)
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return closed, open, nil
		}
	}
	activity.GetLogger(ctx).Warn("more executions have changed than one pass reads; the rest are checked in turn", "read", listPages*listPage)
	return closed, open, nil
}

// runOf is the run of an execution, unless the workflow is another's.
func runOf(info *workflowpb.WorkflowExecutionInfo) (run queue.Run, ours bool) {
	id, ours := workflows.ParseExecutionID(info.GetExecution().GetWorkflowId())
	return queue.Run{ExecutionID: id, RunID: info.GetExecution().GetRunId()}, ours
}

func inQuery(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
