package activities

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

// reachOf returns what the http node that is being run may reach. Whose it is follows from the id of its workflow, which
// Temporal tells: what a request says of itself may be made up. The workflow must be the execution's own, not another one of its id.
func (a *Activities) reachOf(ctx context.Context) (facts.Reach, error) {
	info := activity.GetInfo(ctx)
	id, ours := workflows.ParseExecutionID(info.WorkflowExecution.ID)
	if !ours || info.WorkflowType.Name != workflows.ExecutionType {
		return facts.Reach{}, refusedCall("workflow " + info.WorkflowExecution.ID + " of type " + info.WorkflowType.Name + " is no execution, and http nodes are executions'")
	}
	reach, err := a.readReach(ctx, id)
	if err == nil && reach.RunID != info.WorkflowExecution.RunID { // its start is not settled yet, or it was reset
		err = a.refuseChild(ctx)
	}
	if err != nil {
		return facts.Reach{}, err
	}
	return reach, nil
}

// readReach asks a database that is away again for as long as ctx lasts: its outage is not the node's failure.
func (a *Activities) readReach(ctx context.Context, id uuid.UUID) (facts.Reach, error) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		reach, err := facts.ReachOf(ctx, a.pool, id)
		if err == nil || errors.Is(err, store.ErrUnknownItem) {
			return reach, temporalError(err)
		}
		select {
		case <-ctx.Done():
			return reach, temporalError(err)
		case <-time.After(pause):
		}
	}
}
