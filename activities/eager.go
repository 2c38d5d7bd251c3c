package activities

import (
	"context"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

const (
	// countEvery is how often the worker processes are counted; Temporal remembers for five minutes which have polled.
	countEvery   = 30 * time.Second
	countTimeout = time.Second
)

// eager says which starts bring their first workflow task back with the answer, for this process to run: 7.2 ms from the
// start to the first task where it was 12.8. The process takes its share: the first start of a batch, and then one of as many as
// there are worker processes. The others go through the task queue, where any process that has time takes them; so a single
// start never waits for that, and a large batch is not run by one process alone.
type eager struct {
	client client.Client

	counting sync.Mutex
	workers  int
	counted  time.Time

	mu       sync.Mutex
	closed   bool
	underway sync.WaitGroup
}

// share is of how many of the n starts one is this process's own. An answer that is late or wrong only shares unevenly.
func (e *eager) share(ctx context.Context, n int) int {
	if n <= 1 {
		return 1 // it is, however many there are: so the start that ends a rest does not wait for a count
	}
	e.counting.Lock()
	defer e.counting.Unlock()
	if time.Since(e.counted) < countEvery {
		return e.workers
	}
	e.workers, e.counted = max(1, e.workers), time.Now()
	asking, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	polled, err := e.client.DescribeTaskQueue(asking, workflows.TaskQueueDefault, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		activity.GetLogger(ctx).Debug("cannot count the workers", "error", err)
		return e.workers
	}
	identities := map[string]bool{}
	for _, p := range polled.GetPollers() {
		identities[p.GetIdentity()] = true
	}
	e.workers = max(1, len(identities))
	return e.workers
}

// enter tells whether a start may ask for its first task; if so, done must follow.
func (e *eager) enter() (done func(), ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, false
	}
	e.underway.Add(1)
	return e.underway.Done, true
}

// leave returns when no start asks for its first task any more, and no later one will.
func (e *eager) leave() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.underway.Wait()
}
