package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/recovery"
	"sluice/internal/store"
)

// Cancel asks the workflow of an item to cancel. It returns when Temporal has taken the request; the execution ends CANCELLED when its
// workflow has dealt with it. ErrNotOpen says that the item has no open workflow; another's of the same id is left alone.
func Cancel(ctx context.Context, c client.Client, k store.Known) error {
	return end(ctx, c, k, "cancel", func(run string) error { return c.CancelWorkflow(ctx, k.WorkflowID, run) })
}

// Terminate terminates the workflow of an item, and with it its children. Recovery records the end and frees the slot. ErrNotOpen says
// that the item has no open workflow.
func Terminate(ctx context.Context, c client.Client, k store.Known, reason string) error {
	return end(ctx, c, k, "terminate", func(run string) error { return c.TerminateWorkflow(ctx, k.WorkflowID, run, reason) })
}

// endTries is how often a workflow is looked for again because the run that was found has been followed by the next.
const endTries = 5

func end(ctx context.Context, c client.Client, k store.Known, what string, ask func(run string) error) error {
	for range endTries {
		// The server takes a request for a closed workflow without a word, so look first.
		f, err := find(ctx, c, k)
		if err != nil {
			return err
		}
		if !f.open {
			break
		}
		err = ask(f.run)
		if err == nil {
			return nil
		}
		if !isNotFound(err) {
			return fmt.Errorf("%s %s: %w", what, k.WorkflowID, err)
		}
	}
	return fmt.Errorf("%s %s: %w", what, k.WorkflowID, ErrNotOpen)
}

// awaitedMost is how many things are named that an execution waits for.
const awaitedMost = 5

// Awaited names what the workflow of an item waits for: a worker, children, activities.
func Awaited(ctx context.Context, c client.Client, k store.Known) ([]string, error) {
	w, err := c.DescribeWorkflowExecution(ctx, k.WorkflowID, "")
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe workflow %s: %w", k.WorkflowID, err)
	}
	if ours, err := recovery.IsOf(ctx, c, w.GetWorkflowExecutionInfo(), k); err != nil || !ours {
		return nil, err
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
