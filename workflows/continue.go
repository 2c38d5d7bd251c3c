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
	ctx = workflow.WithWorkflowTaskTimeout(ctx, TaskTimeout) // whatever it was started with
	return workflow.NewContinueAsNewError(ctx, DispatcherType, d.State)
}

// finish ends the dispatcher. What it has claimed is started by now; what waits goes on waiting. A wait that was overtaken
// ends at once. It must have: its end, while this workflow task is under way, would have the server refuse the workflow's, and
// all that was done in the task would be done again.
func (d *dispatcher) finish(ctx workflow.Context) error {
	d.phase = PhaseStopping
	d.showDetails(ctx)
	return workflow.Await(ctx, func() bool {
		return workflow.AllHandlersFinished(ctx) && (d.wait == nil || d.wait.IsReady())
	})
}

// retire ends a dispatcher whose shard is none any more: there are fewer now. What it has claimed is its workspaces' new
// owners' to start. Postgres has the last word, because the shard may have come back; the command that starts dispatchers then
// looks there too.
func (d *dispatcher) retire(ctx, steps workflow.Context) (err error) {
	d.retired, err = retire(steps, d.Shard, workflow.GetInfo(ctx).WorkflowExecution.RunID)
	return err
}

// isFenced tells whether a step was refused because another run, or a later takeover by this one, owns the shard.
func isFenced(err error) bool {
	var refused *temporal.ApplicationError
	return errors.As(err, &refused) && refused.Type() == ErrorFenced
}
