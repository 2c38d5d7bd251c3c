package operate

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"sluice/workflows"
)

// What can be in the way. Test with errors.Is.
var (
	// ErrNotRunning says that there is no open dispatcher.
	ErrNotRunning = errors.New("the dispatcher is not running; start it with: starter start")
	// ErrNoWorker says that no worker answers for the dispatcher. A message may yet be applied when a worker comes.
	ErrNoWorker = errors.New("no worker answers on task queue " + workflows.TaskQueueDefault + "; run the worker")
	// ErrRefused says that the dispatcher has turned a request down and nothing has changed.
	ErrRefused = errors.New("refused")
	// ErrNotOpen says that Temporal has no open workflow for an execution: it has not started yet, or has ended.
	ErrNotOpen = errors.New("no open workflow")
	// ErrAttributes says that search attributes are missing and that they cannot be registered from here.
	ErrAttributes = errors.New("search attributes are missing")
)

// RefusedError is the dispatcher's refusal in its own words.
type RefusedError struct{ Message string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Message }

// Unwrap makes errors.Is find ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// isNotFound is also what Temporal says of a workflow that has ended.
func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}

// isSilence tells whether there was no answer, as opposed to an answer that is an error.
func isSilence(err error) bool {
	var deadline *serviceerror.DeadlineExceeded
	var cancelled *serviceerror.Canceled
	var update *client.WorkflowUpdateServiceTimeoutOrCanceledError
	var precondition *serviceerror.FailedPrecondition // a query where no poller has been seen for a while
	var notReady *serviceerror.WorkflowNotReady
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &notReady) || errors.As(err, &deadline) || errors.As(err, &cancelled) ||
		errors.As(err, &update) || errors.As(err, &precondition)
}

// refusal turns the error of a validator into a RefusedError.
func refusal(err error) error {
	var activity *temporal.ActivityError // the handler failed: it is no refusal
	var application *temporal.ApplicationError
	if !errors.As(err, &activity) && errors.As(err, &application) {
		return &RefusedError{Message: application.Message()}
	}
	return err
}

// isOpen tells whether the latest run of a workflow is open.
func isOpen(ctx context.Context, c client.Client, workflowID string) (bool, error) {
	_, open, err := look(ctx, c, workflowID)
	return open, err
}

// look tells whether Temporal knows a workflow, and whether its latest run is open.
func look(ctx context.Context, c client.Client, workflowID string) (known, open bool, err error) {
	described, err := c.DescribeWorkflowExecution(ctx, workflowID, "")
	if isNotFound(err) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("describe workflow %s: %w", workflowID, err)
	}
	status := described.GetWorkflowExecutionInfo().GetStatus()
	return true, status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, nil
}
