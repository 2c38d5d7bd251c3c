package host

import (
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"sluice/workflows"
)

// stickyTimeout is how long a workflow task waits for the worker that has the workflow in its cache. It bounds what a
// dead worker costs each of its workflows; the SDK's 5 s would make the dispatcher's failover 9 s instead of 4 s.
const stickyTimeout = time.Second

// heartbeatThrottle is shorter than any pause between two heartbeats of our activities. By default the SDK holds them back
// for 0.8 of their timeout, which leaves a busy server little time for the next; and it sends what it holds when the worker
// stops, and warns if the activity has ended meanwhile.
const heartbeatThrottle = 900 * time.Millisecond

// deadlockTimeout is how long workflow code may run without waiting before the SDK calls it a deadlock and gives the task
// back. By default a second: a node graph with megabytes of input takes that long where processors are short, and would fail
// again and again. It is less than workflows.ExecutionTaskTimeout, so that a real one is still reported.
const deadlockTimeout = 4 * time.Second

// inHandTimeout is how long the tasks in hand of a workspace worker may take after its turn. Their own timeouts are what bounds
// them, and ShutdownTimeout when the process ends.
const inHandTimeout = 10 * 365 * 24 * time.Hour

// newDefault makes the worker of the dispatcher, recovery and their activities.
func (h *Host) newDefault(fatal func(error)) worker.Worker {
	w := h.newWorker(workflows.TaskQueueDefault, worker.Options{
		MaxConcurrentWorkflowTaskPollers: defaultWorkflowPollers,
		MaxConcurrentActivityTaskPollers: defaultActivityPollers,
		StickyScheduleToStartTimeout:     stickyTimeout,
		MaxHeartbeatThrottleInterval:     heartbeatThrottle,
		WorkerStopTimeout:                h.cfg.ShutdownTimeout / 4,
		OnFatalError:                     fatal,
	})
	workflows.RegisterDefault(w)
	h.activities.RegisterDefault(w)
	return w
}

// spareCalls are tasks of http nodes that may be in hand beside those that have a place or wait for one: they learn that they may not wait.
const spareCalls = 50

// newExternal makes the worker of the activities that call the outside world. What it takes of the task queue it must be able to look at,
// whosever it is.
func (h *Host) newExternal(fatal func(error)) worker.Worker {
	w := h.newWorker(workflows.TaskQueueExternalAPI, worker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityTaskPollers:   externalPollers,
		MaxConcurrentActivityExecutionSize: 2*h.cfg.ExternalConcurrency + spareCalls,
		WorkerActivitiesPerSecond:          h.cfg.ExternalPerSecond,
		TaskQueueActivitiesPerSecond:       h.cfg.ExternalTaskQueuePerSecond,
		WorkerStopTimeout:                  h.cfg.ShutdownTimeout / 4,
		OnFatalError:                       fatal,
	})
	h.activities.RegisterExternal(w)
	return w
}

// newWorkspace makes the worker of one workspace's executions.
func (h *Host) newWorkspace(id uuid.UUID, fatal func(error)) *drainingWorker {
	w := h.newWorker(workflows.WorkspaceTaskQueue(id), worker.Options{
		MaxConcurrentWorkflowTaskPollers: workspaceWorkflowPollers,
		MaxConcurrentActivityTaskPollers: workspaceActivityPollers,
		LocalActivityWorkerOnly:          h.cfg.RegisterActivities == nil,
		StickyScheduleToStartTimeout:     stickyTimeout,
		WorkerStopTimeout:                inHandTimeout,
		BackgroundActivityContext:        h.inHand,
		Interceptors:                     []interceptor.WorkerInterceptor{&stopLater{leaving: h.stopping}},
		OnFatalError:                     fatal,
	})
	workflows.RegisterWorkspace(w)
	h.activities.RegisterWorkspace(w)
	h.own.registerOn(w)
	h.endWithTurn(w)
	return w
}

func (h *Host) startWorkspace(id uuid.UUID, fatal func(error)) (func(left func()), error) {
	w := h.newWorkspace(id, fatal)
	if err := w.Start(); err != nil {
		w.Stop() // gives the workflow cache back
		return nil, err
	}
	return w.stop, nil
}
