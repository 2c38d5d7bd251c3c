// Package operatetest gives tests a stand-in for the dispatcher: it answers the same query and the same updates and
// dispatches nothing, so that what operators do can be tested without a database behind it.
package operatetest

import (
	"errors"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/workflows"
)

// Worker hosts the stand-in, and executions that wait until they are cancelled, on workflows.TaskQueueDefault until
// the test ends.
func Worker(t testing.TB, c client.Client) {
	t.Helper()
	w := worker.New(c, workflows.TaskQueueDefault, worker.Options{})
	w.RegisterWorkflowWithOptions(standIn, workflow.RegisterOptions{Name: workflows.DispatcherType})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		return workflow.Await(ctx, func() bool { return false })
	}, workflow.RegisterOptions{Name: workflows.ExecutionType})
	if err := w.Start(); err != nil {
		t.Fatalf("start the worker of the stand-in: %v", err)
	}
	t.Cleanup(w.Stop)
}

// standIn answers like the dispatcher and dispatches nothing.
func standIn(ctx workflow.Context, state workflows.State) error {
	stop := false
	status := func() (workflows.Status, error) {
		return workflows.Status{Phase: workflows.PhaseWaiting, Shard: state.Shard, Cycle: state.Cycle, Pause: state.Pause, Tunables: state.Tunables}, nil
	}
	err := errors.Join(
		workflow.SetQueryHandler(ctx, workflows.QueryStatus, status),
		workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdatePause, func(ctx workflow.Context, r workflows.PauseRequest) (workflows.Status, error) {
			state.Pause = &workflows.Pause{Actor: r.Actor, Reason: r.Reason, Since: workflow.Now(ctx)}
			return status()
		}, workflow.UpdateHandlerOptions{Validator: func(workflow.Context, workflows.PauseRequest) error {
			if state.Pause != nil {
				return errors.New("already paused by " + state.Pause.Actor)
			}
			return nil
		}}),
		workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateResume, func(workflow.Context, workflows.ResumeRequest) (workflows.Status, error) {
			state.Pause = nil
			return status()
		}, workflow.UpdateHandlerOptions{Validator: func(workflow.Context, workflows.ResumeRequest) error {
			if state.Pause == nil {
				return errors.New("not paused")
			}
			return nil
		}}),
		workflow.SetUpdateHandler(ctx, workflows.UpdateConfigure, func(_ workflow.Context, r workflows.ConfigureRequest) (workflows.Status, error) {
			if r.BatchSize != nil {
				state.Tunables.BatchSize = *r.BatchSize
			}
			return status()
		}),
		workflow.SetUpdateHandler(ctx, workflows.UpdateStop, func(workflow.Context, workflows.StopRequest) (workflows.Status, error) {
			stop = true
			return status()
		}),
	)
	if err != nil {
		return err
	}
	return workflow.Await(ctx, func() bool { return stop && workflow.AllHandlersFinished(ctx) })
}
