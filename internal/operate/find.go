package operate

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/recovery"
	"sluice/internal/store"
	"sluice/workflows"
)

// Execution is how the workflow of an item is known that has no id of its caller's own.
func Execution(item uuid.UUID) store.Known {
	return store.Known{ItemID: item, WorkflowID: workflows.ExecutionID(item)}
}

// found is how an item's workflow is.
type found struct {
	known, open bool   // a run that continued as new is no end
	run         string // the open run, where the id may be another's afterwards; else empty: whatever run is open
}

// find asks Temporal for the workflow of an item. Another workflow of the same id is not found.
func find(ctx context.Context, c client.Client, k store.Known) (found, error) {
	described, err := c.DescribeWorkflowExecution(ctx, k.WorkflowID, "")
	if isNotFound(err) {
		return found{}, nil
	}
	if err != nil {
		return found{}, fmt.Errorf("describe workflow %s: %w", k.WorkflowID, err)
	}
	info := described.GetWorkflowExecutionInfo()
	ours, err := recovery.IsOf(ctx, c, info, k)
	if err != nil {
		return found{}, err
	}
	if !ours {
		return found{known: k.RunID != ""}, nil // it is closed: there is one open workflow of an id
	}
	f := found{known: true, open: !isClosed(info.GetStatus())}
	if f.open && isShared(k) {
		f.run = info.GetExecution().GetRunId()
	}
	return f, nil
}

// isShared tells whether a workflow's id may be that of another one before and afterwards. One that derives from the item's may not.
func isShared(k store.Known) bool { return k.Own && k.WorkflowID != workflows.ExecutionID(k.ItemID) }

func isClosed(status enumspb.WorkflowExecutionStatus) bool {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED,
		enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return true
	}
	return false
}
