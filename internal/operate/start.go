package operate

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// Started says which run is the dispatcher now.
type Started struct {
	WorkflowID     string `json:"workflowId"`
	RunID          string `json:"runId"`
	AlreadyRunning bool   `json:"alreadyRunning"` // it was there before; the given state was not used
}

const dispatcherDetails = "Admits queued executions within each workspace's tier and starts them on the workspace's own task queue.\n\n" +
	"There is one of it per namespace. Its query `status` tells what it does; `starter pause`, `resume`, `configure` and `stop` steer it. " +
	"Do not terminate it: `starter stop` lets the cycle in hand finish."

// Start makes the namespace ready (search attributes, recovery schedule) and starts the dispatcher with the given
// state. An open one is found and left as it is. It needs no worker. Errors: ErrAttributes, or Temporal's own.
func Start(ctx context.Context, c client.Client, namespace string, state workflows.State) (Started, error) {
	if err := ensureAttributes(ctx, c, namespace); err != nil {
		return Started{}, err
	}
	if err := ensureRecovery(ctx, c); err != nil {
		return Started{}, err
	}
	started := Started{WorkflowID: workflows.DispatcherID}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:        workflows.DispatcherID,
		TaskQueue: workflows.TaskQueueDefault,
		// FAIL rather than USE_EXISTING: only an error tells the two cases apart, and it names the open run.
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowTaskTimeout:                      workflows.TaskTimeout,
		StaticSummary:                            "Sluice dispatcher",
		StaticDetails:                            dispatcherDetails,
	}, workflows.DispatcherType, state)
	var exists *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &exists):
		started.RunID, started.AlreadyRunning = exists.RunId, true
	case err != nil:
		return started, fmt.Errorf("start workflow %s: %w", workflows.DispatcherID, err)
	default:
		started.RunID = run.GetRunID()
	}
	return started, nil
}
