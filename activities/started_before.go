package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/internal/dispatch"
	"sluice/internal/recovery"
	"sluice/internal/store"
	"sluice/workflows"
)

// listedWithin is how long a run may be missing in Temporal's lists.
const listedWithin = 5 * time.Second

// startedBefore is for an item whose workflow has the id that derives from it, and the server refuses to start it because there is one. It
// tells our own earlier start, which is success, from another workflow: anybody's child can have that id, and must not cost the item its
// life. While that is open the item waits. When it has closed, the id is taken over by again, a start that the server knows if it is repeated.
func (a *Activities) startedBefore(ctx context.Context, x dispatch.Execution, runID string, again func() (string, error)) (string, *store.FailedStart, error) {
	id := workflows.ExecutionID(x.ID)
	found, err := a.client.DescribeWorkflowExecution(ctx, id, runID)
	if err != nil {
		return "", nil, fmt.Errorf("describe %s: %w", id, err)
	}
	info := found.GetWorkflowExecutionInfo()
	if ours, err := a.startedFor(ctx, x, info); err != nil || ours {
		return a.foundStarted(ctx, x, info, err)
	}
	waits := &store.FailedStart{Reason: reasonIDTaken, Waits: true}
	if info.GetCloseTime() == nil {
		waits.Error = fmt.Sprintf("workflow %s is open and was not started for this item: the item waits until it has ended", id)
		return "", waits, nil
	}
	if time.Since(info.GetStartTime().AsTime()) < listedWithin {
		waits.Error = fmt.Sprintf("workflow %s was another one's a moment ago: the item waits until it is certain that its own has not run", id)
		return "", waits, nil
	}
	if before, err := a.listedBefore(ctx, x, id); err != nil || before != nil {
		return a.foundStarted(ctx, x, before, err)
	}
	run, err := again()
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &already) {
		waits.Error = fmt.Sprintf("workflow %s is another one's again: the item waits until that has ended", id)
		return "", waits, nil
	}
	return run, nil, err
}

// listedBefore looks for an item's workflow among all runs of the id that derives from it.
func (a *Activities) listedBefore(ctx context.Context, x dispatch.Execution, id string) (*workflowpb.WorkflowExecutionInfo, error) {
	r := &workflowservice.ListWorkflowExecutionsRequest{Query: fmt.Sprintf("WorkflowId = '%s'", id)}
	for {
		listed, err := a.client.ListWorkflow(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("look for an earlier start of %s: %w", id, err)
		}
		for _, info := range listed.GetExecutions() {
			if info.GetExecution().GetWorkflowId() != id {
				continue
			}
			if ours, err := a.startedFor(ctx, x, info); err != nil || ours {
				return info, err
			}
		}
		if r.NextPageToken = listed.GetNextPageToken(); len(r.NextPageToken) == 0 {
			return nil, nil
		}
	}
}

func (a *Activities) startedFor(ctx context.Context, x dispatch.Execution, info *workflowpb.WorkflowExecutionInfo) (bool, error) {
	item, ok, err := recovery.StartedFor(ctx, a.client, info)
	return ok && item == x.ID, err
}
