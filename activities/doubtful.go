package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"sluice/queue"
	"sluice/workflows"
)

const (
	// visibilityLag is how late Temporal's visibility may show a change; each pass looks back so much further.
	visibilityLag = 20 * time.Second
	// firstLook is how far the very first pass looks back.
	firstLook = time.Hour
	// listPage and listPages bound what one pass reads of the changes. What lies beyond has its turn all the same.
	listPage  = 1000
	listPages = 20
	// turnAge leaves an execution that has just been dispatched or checked in peace.
	turnAge = 5 * time.Second
	// turnBatch is how many slots have their turn in a pass, and missingBatch when visibility shows fewer open
	// executions than there are slots: some of them have been deleted, or closed unseen.
	turnBatch    = 200
	missingBatch = 1000
)

// doubtful returns the executions whose workflow was closed or started lately and does not agree with Postgres, and the
// moment until which it has looked. Visibility is eventually consistent, so these are only doubts.
func (a *Activities) doubtful(ctx context.Context) (ids []uuid.UUID, looked time.Time, err error) {
	since, err := a.queue.LookedUntil(ctx)
	if err != nil {
		return nil, looked, err
	}
	looked = time.Now() // like the times it is compared with, not by the database's clock
	if since.IsZero() {
		since = looked.Add(-firstLook)
	}
	from := since.Add(-visibilityLag).UTC().Format(time.RFC3339Nano)

	closed, err := a.listRuns(ctx, fmt.Sprintf("WorkflowType = '%s' AND CloseTime >= '%s'", workflows.ExecutionType, from))
	if err != nil {
		return nil, looked, err
	}
	unrecorded, err := a.queue.Unrecorded(ctx, closed)
	if err != nil {
		return nil, looked, err
	}
	open, err := a.listRuns(ctx, fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND StartTime >= '%s'", workflows.ExecutionType, from))
	if err != nil {
		return nil, looked, err
	}
	unheld, err := a.queue.Unheld(ctx, open)
	return append(unrecorded, unheld...), looked, err
}

// nextInTurn returns the slots that were compared longest ago: what no list shows, such as a deleted workflow, is found
// that way. Counts that differ make it many.
func (a *Activities) nextInTurn(ctx context.Context) ([]uuid.UUID, error) {
	limit := turnBatch
	slots, err := a.queue.OldSlots(ctx, turnAge)
	if err != nil {
		return nil, err
	}
	if slots > turnBatch {
		count, err := a.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", workflows.ExecutionType)})
		if err != nil {
			return nil, fmt.Errorf("count open executions: %w", err)
		}
		if slots > count.GetCount() {
			limit = missingBatch
		}
	}
	return a.queue.SlotsToCheck(ctx, turnAge, limit)
}

// listRuns lists runs of executions, at most listPages pages of them.
func (a *Activities) listRuns(ctx context.Context, query string) ([]queue.Run, error) {
	var runs []queue.Run
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: listPage}
	for range listPages {
		page, err := a.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list executions (%s): %w", query, err)
		}
		runs = append(runs, runsOf(page.GetExecutions())...)
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return runs, nil
		}
	}
	activity.GetLogger(ctx).Warn("more executions have changed than one pass reads; the rest are checked in turn", "read", len(runs))
	return runs, nil
}

func runsOf(list []*workflowpb.WorkflowExecutionInfo) []queue.Run {
	var runs []queue.Run
	for _, info := range list {
		if id, ours := workflows.ParseExecutionID(info.GetExecution().GetWorkflowId()); ours {
			runs = append(runs, queue.Run{ExecutionID: id, RunID: info.GetExecution().GetRunId()})
		}
	}
	return runs
}
