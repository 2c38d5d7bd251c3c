package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"sluice/internal/pairing"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// Started says which run is the dispatcher of a shard now.
type Started struct {
	Shard          int    `json:"shard,omitempty"`
	WorkflowID     string `json:"workflowId"`
	RunID          string `json:"runId"`
	AlreadyRunning bool   `json:"alreadyRunning"` // it was there before; the given state was not used
}

const dispatcherDetails = "Admits queued executions within each workspace's tier and starts them on the workspace's own task queue.\n\n" +
	"There is one of it for each shard of a namespace, by default one in all. Its query `status` tells what it does; `starter pause`, `resume`, `configure` and `stop` steer it. " +
	"Do not terminate it: `starter stop` lets the current cycle finish."

// Start makes the namespace ready (pairs it with the database, search attributes, recovery schedule) and starts the dispatcher of
// the state's shard with that state. An open one is found and left as it is. It needs no worker. Errors: those of package
// pairing, ErrAttributes, or Temporal's own. Where there may be several shards, StartAll is for people.
func Start(ctx context.Context, c client.Client, namespace string, db *pgxpool.Pool, state workflows.State) (Started, error) {
	installation, err := pairing.Pair(ctx, c, namespace, db)
	if err != nil {
		return Started{}, err
	}
	if err := ready(ctx, c, namespace); err != nil {
		return Started{}, err
	}
	return start(ctx, c, installation, state)
}

// ready makes the namespace ready for dispatchers.
func ready(ctx context.Context, c client.Client, namespace string) error {
	if err := ensureAttributes(ctx, c, namespace); err != nil {
		return err
	}
	return ensureRecovery(ctx, c)
}

// start starts one dispatcher, or finds it.
func start(ctx context.Context, c client.Client, installation catalog.Installation, state workflows.State) (Started, error) {
	started := Started{Shard: state.Shard, WorkflowID: workflows.ShardID(state.Shard)}
	summary := "Sluice dispatcher"
	if state.Shard > 0 {
		summary += fmt.Sprintf(", shard %d", state.Shard)
	}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:        started.WorkflowID,
		TaskQueue: workflows.TaskQueueDefault,
		// FAIL rather than USE_EXISTING: only an error tells the two cases apart, and it names the open run.
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowTaskTimeout:                      workflows.TaskTimeout,
		StaticSummary:                            summary,
		StaticDetails:                            dispatcherDetails,
		Memo:                                     pairing.Memo(installation),
	}, workflows.DispatcherType, state)
	var exists *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &exists):
		started.RunID, started.AlreadyRunning = exists.RunId, true
	case err != nil:
		return started, fmt.Errorf("start workflow %s: %w", started.WorkflowID, err)
	default:
		started.RunID = run.GetRunID()
	}
	return started, nil
}
