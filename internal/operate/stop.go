package operate

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// StopOptions says what else ends with the dispatcher.
type StopOptions struct {
	// DeleteRecovery also deletes the recovery schedule. By default it stays: what still runs needs its outcome
	// recorded although nothing new starts.
	DeleteRecovery bool
}

// Stop lets the dispatcher finish the cycle in hand and returns once its workflow is closed. What runs goes on, what
// waits stays in the queue. Errors: ErrNotRunning (the recovery schedule is then deleted all the same, if asked),
// ErrNoWorker, ErrRefused when it is stopping already.
func Stop(ctx context.Context, c client.Client, request workflows.StopRequest, options StopOptions) error {
	err := stopDispatcher(ctx, c, request)
	if options.DeleteRecovery && (err == nil || errors.Is(err, ErrNotRunning)) {
		if deleteErr := deleteRecovery(ctx, c); deleteErr != nil {
			return errors.Join(err, deleteErr)
		}
	}
	return err
}

func stopDispatcher(ctx context.Context, c client.Client, request workflows.StopRequest) error {
	_, runID, err := update(ctx, c, workflows.UpdateStop, request)
	if errors.Is(err, ErrRefused) {
		// Also the answer when the workflow closes before its handler is through: then the aim is reached.
		if running, openErr := open(ctx, c); openErr == nil && !running {
			return nil
		}
	}
	if err != nil {
		return err
	}
	// This run and none that was started since. How it ended does not matter: it has.
	err = c.GetWorkflow(ctx, workflows.DispatcherID, runID).Get(ctx, nil)
	if ctx.Err() != nil {
		return fmt.Errorf("wait for the dispatcher to finish its cycle: %w", errors.Join(ctx.Err(), err))
	}
	return nil
}
