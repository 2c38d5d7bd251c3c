package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// 6. Continue as new when the server suggests it (4,096 events by default): all state is the next run's input.
func (d *dispatcher) continueAsNewDue(ctx workflow.Context) bool {
	if d.ContinueEvery > 0 && d.Cycle-d.first >= d.ContinueEvery {
		return true
	}
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// continueAsNew drains the messages first: an update that was accepted must be answered by this run.
func (d *dispatcher) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	if d.stop != nil {
		return d.finish(ctx)
	}
	ctx = workflow.WithWorkflowTaskTimeout(ctx, TaskTimeout) // a dispatcher that an earlier version started gets it too
	return workflow.NewContinueAsNewError(ctx, DispatcherType, d.State)
}

// finish ends the dispatcher. What it has claimed is dispatched; what waits goes on waiting.
func (d *dispatcher) finish(ctx workflow.Context) error {
	d.phase = PhaseStopping
	d.showDetails(ctx)
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// retire ends a dispatcher whose shard is none any more: there are fewer now. What it has claimed is its workspaces' new
// owners' to dispatch. Postgres has the last word, because the shard may have come back; whoever starts dispatchers then
// looks there too.
func (d *dispatcher) retire(ctx, steps workflow.Context) (err error) {
	d.retired, err = retire(steps, d.Shard, workflow.GetInfo(ctx).WorkflowExecution.RunID)
	return err
}

// isFenced tells whether a step was refused because another run owns the queue.
func isFenced(err error) bool {
	var refused *temporal.ApplicationError
	return errors.As(err, &refused) && refused.Type() == ErrorFenced
}
