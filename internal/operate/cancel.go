package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// CancelExecution asks the workflow of an execution to cancel. It returns when Temporal has taken the request; the
// execution ends CANCELLED when its workflow has dealt with it. ErrNotOpen says that there is no such open workflow.
func CancelExecution(ctx context.Context, c client.Client, execution uuid.UUID) error {
	return end(ctx, c, execution, "cancel", func(id string) error { return c.CancelWorkflow(ctx, id, "") })
}

// TerminateExecution terminates the workflow of an execution, and with it its children. Recovery records the end and frees the
// slot. ErrNotOpen says that there is no such open workflow.
func TerminateExecution(ctx context.Context, c client.Client, execution uuid.UUID, reason string) error {
	return end(ctx, c, execution, "terminate", func(id string) error { return c.TerminateWorkflow(ctx, id, "", reason) })
}

func end(ctx context.Context, c client.Client, execution uuid.UUID, what string, ask func(workflowID string) error) error {
	id := workflows.ExecutionID(execution)
	// The server takes a request for a closed workflow without a word, so look first.
	running, err := isOpen(ctx, c, id)
	if err != nil {
		return err
	}
	if running {
		err = ask(id)
	}
	if !running || isNotFound(err) {
		return fmt.Errorf("%s %s: %w", what, id, ErrNotOpen)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, id, err)
	}
	return nil
}

// awaitedMost is how many things are named that an execution waits for.
const awaitedMost = 5

// Awaited names what the workflow of an execution waits for: a worker, children, activities.
func Awaited(ctx context.Context, c client.Client, execution uuid.UUID) ([]string, error) {
	id := workflows.ExecutionID(execution)
	w, err := c.DescribeWorkflowExecution(ctx, id, "")
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe workflow %s: %w", id, err)
	}
	var list []string
	if task := w.GetPendingWorkflowTask(); task.GetAttempt() > 1 {
		list = append(list, fmt.Sprintf("a worker that completes its workflow task (attempt %d, task queue %s)", task.GetAttempt(), w.GetWorkflowExecutionInfo().GetTaskQueue()))
	} else if task.GetState() == enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED {
		list = append(list, "a worker on task queue "+w.GetWorkflowExecutionInfo().GetTaskQueue())
	}
	children := w.GetPendingChildren()
	slices.SortFunc(children, func(a, b *workflowpb.PendingChildExecutionInfo) int {
		return cmp.Compare(a.GetInitiatedId(), b.GetInitiatedId())
	})
	for _, child := range children {
		list = append(list, fmt.Sprintf("child %s (type %s)", child.GetWorkflowId(), child.GetWorkflowTypeName()))
	}
	for _, a := range w.GetPendingActivities() {
		text := fmt.Sprintf("activity %s, attempt %d", a.GetActivityType().GetName(), a.GetAttempt())
		if problem := a.GetLastFailure().GetMessage(); problem != "" {
			text += " (" + strings.Join(strings.Fields(problem), " ") + ")"
		}
		list = append(list, text)
	}
	if more := len(list) - awaitedMost; more > 0 {
		list = append(list[:awaitedMost], fmt.Sprintf("%d more", more))
	}
	return list, nil
}
