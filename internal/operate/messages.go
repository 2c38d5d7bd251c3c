package operate

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// Status asks the dispatcher of shard 0 what it is doing. Errors: ErrNotRunning, ErrNoWorker.
func Status(ctx context.Context, c client.Client) (workflows.Status, error) {
	return StatusOf(ctx, c, 0)
}

// StatusOf asks the dispatcher of a shard.
func StatusOf(ctx context.Context, c client.Client, shard int) (workflows.Status, error) {
	var status workflows.Status
	err := ask(ctx, c, workflows.ShardID(shard), func(ctx context.Context) error {
		answer, err := c.QueryWorkflowWithOptions(ctx, &client.QueryWorkflowWithOptionsRequest{
			WorkflowID: workflows.ShardID(shard), QueryType: workflows.QueryStatus,
			QueryRejectCondition: enumspb.QUERY_REJECT_CONDITION_NOT_OPEN,
		})
		if err != nil {
			return err
		}
		if answer.QueryRejected != nil {
			return ErrNotRunning
		}
		return answer.QueryResult.Get(&status)
	})
	if err != nil {
		return status, fmt.Errorf("ask for the status: %w", err)
	}
	return status, nil
}

// Pause stops admission of all dispatchers: nothing new starts, what runs goes on. It returns the status of each, by
// shard. Without a database it has to look for them first. Errors: ErrNotRunning, ErrNoWorker, and ErrRefused when all are
// paused already.
func Pause(ctx context.Context, c client.Client, db *pgxpool.Pool, request workflows.PauseRequest) ([]workflows.Status, error) {
	return tellAll(ctx, c, db, workflows.UpdatePause, request, true)
}

// Resume ends a pause. Errors: ErrNotRunning, ErrNoWorker, and ErrRefused when none is paused.
func Resume(ctx context.Context, c client.Client, db *pgxpool.Pool, request workflows.ResumeRequest) ([]workflows.Status, error) {
	return tellAll(ctx, c, db, workflows.UpdateResume, request, true)
}

// Configure changes tunables of all dispatchers, from the next cycle on. Errors: ErrNotRunning, ErrNoWorker, and
// ErrRefused when a value is out of bounds.
func Configure(ctx context.Context, c client.Client, db *pgxpool.Pool, request workflows.ConfigureRequest) ([]workflows.Status, error) {
	return tellAll(ctx, c, db, workflows.UpdateConfigure, request, false)
}

// tellAll sends one message to all open dispatchers. Where it may be done already, one that refuses is as the others
// will be, unless all do.
func tellAll(ctx context.Context, c client.Client, db *pgxpool.Pool, name string, request any, maybeDone bool) ([]workflows.Status, error) {
	shards, err := addressees(ctx, c, db)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return each(shards, func(shard int) (workflows.Status, error) {
		status, _, err := update(ctx, c, shard, name, request)
		return status, err
	}, func(shard int, refused error) (workflows.Status, error) {
		if !maybeDone {
			return workflows.Status{}, refused
		}
		return StatusOf(ctx, c, shard)
	})
}

// update sends one message and waits until it is applied; it also returns the run that applied it.
func update(ctx context.Context, c client.Client, shard int, name string, request any) (status workflows.Status, runID string, err error) {
	id := uuid.NewString()
	err = ask(ctx, c, workflows.ShardID(shard), func(ctx context.Context) error {
		handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			UpdateID: id, WorkflowID: workflows.ShardID(shard), UpdateName: name, Args: []any{request},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err != nil {
			return err
		}
		runID = handle.RunID()
		return handle.Get(ctx, &status)
	})
	if err != nil {
		return status, runID, fmt.Errorf("%s: %w", name, refusal(err))
	}
	return status, runID, nil
}
