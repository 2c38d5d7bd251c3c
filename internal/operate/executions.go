package operate

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"sluice/internal/audit"
	"sluice/internal/recovery"
	"sluice/internal/store"
	"sluice/workflows"
)

const (
	describeParallel = 16
	describeTimeout  = 10 * time.Second // of one workflow; a server that takes longer cannot be audited
	listPage         = 1000
)

// openExecution is an open workflow that says which item it is, as the visibility store shows it: what it shows may be over by now, and
// what has just begun may not be there yet.
type openExecution struct {
	workflowID string
	item       uuid.UUID
	ours       bool // it is of type Execution; a user's may have taken the search attribute over from another
}

// listOpenExecutions lists the open workflows that say which item they are, by their search attribute or, of type Execution, by their id.
func listOpenExecutions(ctx context.Context, c client.Client) ([]openExecution, error) {
	var list []openExecution
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Query:    fmt.Sprintf("ExecutionStatus = 'Running' AND (WorkflowType = '%s' OR %s IS NOT NULL)", workflows.ExecutionType, workflows.AttributeQueueItem),
		PageSize: listPage,
	}
	for {
		page, err := c.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list open executions: %w", err)
		}
		for _, info := range page.GetExecutions() {
			id, ours := info.GetExecution().GetWorkflowId(), info.GetType().GetName() == workflows.ExecutionType
			item, known := workflows.ParseExecutionID(id)
			if !known || !ours {
				item, known = recovery.ItemNamed(info.GetSearchAttributes())
			}
			if known {
				list = append(list, openExecution{workflowID: id, item: item, ours: ours})
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return list, nil
		}
	}
}

// lookUp asks Temporal how the workflows of items are. It reads the workflows themselves, not the visibility store.
func lookUp(ctx context.Context, c client.Client, all []store.Known) (map[store.Known]audit.Workflow, error) {
	states := make([]audit.Workflow, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(describeParallel)
	for i, k := range all {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, describeTimeout)
			defer cancel()
			f, err := find(ctx, c, k)
			switch {
			case err != nil:
				return err
			case f.open:
				states[i] = audit.Open
			case f.known:
				states[i] = audit.Closed
			default:
				states[i] = audit.Missing
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	looked := make(map[store.Known]audit.Workflow, len(all))
	for i, k := range all {
		looked[k] = states[i]
	}
	return looked, nil
}
