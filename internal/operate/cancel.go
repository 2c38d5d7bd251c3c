package operate

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// CancelExecution asks the workflow of an execution to cancel. It returns when Temporal has taken the request; the
// execution ends CANCELLED when its workflow has dealt with it. ErrNotOpen says that there is no such open workflow.
func CancelExecution(ctx context.Context, c client.Client, execution uuid.UUID) error {
	id := workflows.ExecutionID(execution)
	// The server takes a request for a closed workflow without a word, so look first.
	running, err := isOpen(ctx, c, id)
	if err != nil {
		return err
	}
	if running {
		err = c.CancelWorkflow(ctx, id, "")
	}
	if !running || isNotFound(err) {
		return fmt.Errorf("cancel %s: %w", id, ErrNotOpen)
	}
	if err != nil {
		return fmt.Errorf("cancel %s: %w", id, err)
	}
	return nil
}
