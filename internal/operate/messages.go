package operate

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// Status asks the dispatcher what it is doing. Errors: ErrNotRunning, ErrNoWorker.
func Status(ctx context.Context, c client.Client) (workflows.Status, error) {
	var status workflows.Status
	err := ask(ctx, c, func(ctx context.Context) error {
		answer, err := c.QueryWorkflowWithOptions(ctx, &client.QueryWorkflowWithOptionsRequest{
			WorkflowID: workflows.DispatcherID, QueryType: workflows.QueryStatus,
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

// Pause stops admission: nothing new starts, what runs goes on. Errors: ErrNotRunning, ErrNoWorker, and ErrRefused
// when it is paused already.
func Pause(ctx context.Context, c client.Client, request workflows.PauseRequest) (workflows.Status, error) {
	status, _, err := update(ctx, c, workflows.UpdatePause, request)
	return status, err
}

// Resume ends a pause. Errors: ErrNotRunning, ErrNoWorker, and ErrRefused when it is not paused.
func Resume(ctx context.Context, c client.Client, request workflows.ResumeRequest) (workflows.Status, error) {
	status, _, err := update(ctx, c, workflows.UpdateResume, request)
	return status, err
}

// Configure changes tunables, from the next cycle on. Errors: ErrNotRunning, ErrNoWorker, and ErrRefused when a value
// is out of bounds.
func Configure(ctx context.Context, c client.Client, request workflows.ConfigureRequest) (workflows.Status, error) {
	status, _, err := update(ctx, c, workflows.UpdateConfigure, request)
	return status, err
}

// update sends one message and waits until it is applied; it also returns the run that applied it.
func update(ctx context.Context, c client.Client, name string, request any) (status workflows.Status, runID string, err error) {
	id := uuid.NewString()
	err = ask(ctx, c, func(ctx context.Context) error {
		handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			UpdateID: id, WorkflowID: workflows.DispatcherID, UpdateName: name, Args: []any{request},
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
