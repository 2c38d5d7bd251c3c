package operate

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"sluice/internal/audit"
	"sluice/workflows"
)

const (
	describeParallel = 16
	describeTimeout  = 10 * time.Second // of one workflow; a server that takes longer cannot be audited
	listPage         = 1000
)

// openExecution is an open execution workflow, as the visibility store shows it: what it shows may be over by now, and
// what has just begun may not be there yet.
type openExecution struct {
	workflowID string
	item       uuid.UUID
}

// listOpenExecutions lists the open workflows of type Execution that say which item they run, by their id or by their
// search attribute.
func listOpenExecutions(ctx context.Context, c client.Client) ([]openExecution, error) {
	var list []openExecution
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", workflows.ExecutionType), PageSize: listPage,
	}
	for {
		page, err := c.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list open executions: %w", err)
		}
		for _, info := range page.GetExecutions() {
			id := info.GetExecution().GetWorkflowId()
			item, known := workflows.ParseExecutionID(id)
			if !known {
				item, known = itemAttribute(info)
			}
			if known {
				list = append(list, openExecution{workflowID: id, item: item})
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return list, nil
		}
	}
}

// itemAttribute is the queue item that a workflow says it runs.
func itemAttribute(info *workflowpb.WorkflowExecutionInfo) (uuid.UUID, bool) {
	payload := info.GetSearchAttributes().GetIndexedFields()[workflows.AttributeQueueItem]
	var text string
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &text) != nil {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// lookUp asks Temporal how workflows are. It reads the workflows themselves, not the visibility store.
func lookUp(ctx context.Context, c client.Client, workflowIDs []string) (map[string]audit.Workflow, error) {
	states := make([]audit.Workflow, len(workflowIDs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(describeParallel)
	for i, id := range workflowIDs {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, describeTimeout)
			defer cancel()
			described, err := c.DescribeWorkflowExecution(ctx, id, "")
			switch {
			case isNotFound(err):
				states[i] = audit.Missing
			case err != nil:
				return fmt.Errorf("describe workflow %s: %w", id, err)
			case isClosed(described.GetWorkflowExecutionInfo().GetStatus()):
				states[i] = audit.Closed
			default: // a run that continued as new is no end
				states[i] = audit.Open
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found := make(map[string]audit.Workflow, len(workflowIDs))
	for i, id := range workflowIDs {
		found[id] = states[i]
	}
	return found, nil
}

func isClosed(status enumspb.WorkflowExecutionStatus) bool {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED,
		enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return true
	}
	return false
}
