package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// AnswerTimeout bounds how long the dispatcher may take to answer when the caller's context does not: a busy loop
// answers within two seconds, a failover to another worker takes up to ten.
const AnswerTimeout = 15 * time.Second

// patienceWithoutWorker is how long to wait before looking whether there is a worker at all.
const patienceWithoutWorker = 3 * time.Second

// ask repeats an idempotent question until the dispatcher of that workflow id answers. The run that was asked may end in between by
// continuing as new, so "not found" counts only when no run is open.
func ask(ctx context.Context, c client.Client, workflowID string, question func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, AnswerTimeout)
	defer cancel()
	for {
		attempt, stop := context.WithTimeout(limited, patienceWithoutWorker)
		err := question(attempt)
		stop()
		switch {
		case err == nil:
			return nil
		case errors.Is(ctx.Err(), context.Canceled):
			return ctx.Err()
		case isNotFound(err):
			running, checkErr := isOpen(limited, c, workflowID)
			if checkErr != nil {
				return checkErr
			}
			if !running {
				return ErrNotRunning
			}
			if err := pause(limited, 50*time.Millisecond); err != nil {
				return fmt.Errorf("the dispatcher changes its run too often to answer: %w", err)
			}
		case isSilence(err):
			if limited.Err() != nil || !hasWorker(limited, c) {
				return silence(err)
			}
			if pause(limited, 100*time.Millisecond) != nil {
				return silence(err)
			}
		default:
			return err
		}
	}
}

// silence is ErrNoWorker, with what the server knows about it.
func silence(err error) error {
	var notReady *serviceerror.WorkflowNotReady // for example, its workflow task fails
	if errors.As(err, &notReady) {
		return fmt.Errorf("%w (%s)", ErrNoWorker, notReady.Message)
	}
	return ErrNoWorker
}

// hasWorker tells whether a worker has polled the dispatcher's task queue lately. When it cannot be told, it is true:
// then the timeout decides.
func hasWorker(ctx context.Context, c client.Client) bool {
	described, err := c.DescribeTaskQueue(ctx, workflows.TaskQueueDefault, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	return err != nil || len(described.GetPollers()) > 0
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
