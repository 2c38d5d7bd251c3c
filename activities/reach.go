package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

// reachOf returns what the http node that is being run may reach. Whose it is follows from the id of its workflow, which
// Temporal tells: what a request says of itself may be made up. A database that is away is asked again for as long as the
// attempt lasts: its outage is not the node's failure.
func (a *Activities) reachOf(ctx context.Context) (facts.Reach, error) {
	info := activity.GetInfo(ctx)
	id, ours := workflows.ParseExecutionID(info.WorkflowExecution.ID)
	if !ours {
		return facts.Reach{}, refusedCall("workflow " + info.WorkflowExecution.ID + " is no execution, and http nodes are executions'")
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		reach, err := facts.ReachOf(ctx, a.pool, id)
		if err == nil || errors.Is(err, store.ErrUnknownItem) {
			return reach, temporalError(err)
		}
		select {
		case <-ctx.Done():
			return reach, temporalError(err)
		case <-activity.GetWorkerStopChannel(ctx):
			return reach, errWorkerStopping
		case <-time.After(pause):
		}
	}
}
