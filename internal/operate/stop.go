package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// StopOptions says what else ends with the dispatcher.
type StopOptions struct {
	// DeleteRecovery also deletes the recovery schedule. By default it stays: what still runs needs its outcome
	// recorded although nothing new starts.
	DeleteRecovery bool
}

// Stop lets all dispatchers finish the current cycle and returns once their workflows are closed. What runs goes on, what
// waits stays in the queue. Without a database it has to look for them first. Errors: ErrNotRunning (the recovery schedule
// is then deleted all the same, if asked), ErrNoWorker, ErrRefused when all are stopping already.
func Stop(ctx context.Context, c client.Client, db *pgxpool.Pool, request workflows.StopRequest, options StopOptions) error {
	err := stopAll(ctx, c, db, request)
	if options.DeleteRecovery && (err == nil || errors.Is(err, ErrNotRunning)) {
		if deleteErr := deleteRecovery(ctx, c); deleteErr != nil {
			return errors.Join(err, deleteErr)
		}
	}
	return err
}

func stopAll(ctx context.Context, c client.Client, db *pgxpool.Pool, request workflows.StopRequest) error {
	shards, err := addressees(ctx, c, db)
	if err != nil {
		return fmt.Errorf("%s: %w", workflows.UpdateStop, err)
	}
	_, err = each(shards, func(shard int) (none struct{}, err error) {
		return none, stopDispatcher(ctx, c, shard, request)
	}, func(shard int, refused error) (none struct{}, err error) {
		return none, nil // it is stopping, as are the others now
	})
	return err
}

func stopDispatcher(ctx context.Context, c client.Client, shard int, request workflows.StopRequest) error {
	_, runID, err := update(ctx, c, shard, workflows.UpdateStop, request)
	if errors.Is(err, ErrRefused) {
		// Also the answer when the workflow closes before its handler is through: then the aim is reached.
		if running, openErr := isOpen(ctx, c, workflows.ShardID(shard)); openErr == nil && !running {
			return nil
		}
	}
	if err != nil {
		return err
	}
	// This run and none that was started since. How it ended does not matter: it has.
	err = c.GetWorkflow(ctx, workflows.ShardID(shard), runID).Get(ctx, nil)
	if ctx.Err() != nil {
		return fmt.Errorf("wait for the dispatcher to finish its cycle: %w", errors.Join(ctx.Err(), err))
	}
	return nil
}
