package host

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
)

// A worker that stops first ceases to poll, and is then given the time that its tasks in hand take. For a workspace whose turn is
// over that is as long as they need: its place is free as soon as it does not poll any more, and its activities, which may take
// minutes, end while others have their turns. What they lead to waits for the workspace's next turn.

// newWorker makes an SDK worker. Where the host has Polls, it settles them before it stops.
func (h *Host) newWorker(taskQueue string, options worker.Options) *drainingWorker {
	w := &drainingWorker{gone: make(chan struct{}), settle: func() {}, forget: func() {}}
	watch := &watchPlugin{stopping: w.quit}
	options.Plugins = append(options.Plugins, watch)
	if p := h.cfg.Polls; p != nil {
		var key string // empty until it has started
		w.polls = newOpenPolls()
		watch.started = func(k string) {
			p.mu.Lock()
			defer p.mu.Unlock()
			key, p.of[k] = k, w.polls
		}
		w.settle = sync.OnceFunc(func() {
			within := max(settleTurn, w.polls.ends())
			if h.leaving.Load() {
				within = settleLeaving
			}
			w.polls.settle(within)
		})
		w.forget = func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.of, key)
		}
	}
	options.DeadlockDetectionTimeout = deadlockTimeout
	w.Worker = worker.New(h.cfg.Client, taskQueue, options)
	return w
}

// endWithTurn has the polls of a workspace's worker end with its turn while others wait for a place.
func (h *Host) endWithTurn(w *drainingWorker) {
	if w.polls == nil {
		return
	}
	began := time.Now()
	w.polls.until = func() time.Time {
		if !h.workspaces.isFull() {
			return time.Time{}
		}
		left := time.Until(began.Add(h.cfg.TurnInterval))
		return time.Now().Add(min(max(left, leastPoll), longestPoll) + pollMargin)
	}
}

// drainingWorker is an SDK worker that takes no more tasks before it stops, and tells when it does not poll any more.
type drainingWorker struct {
	worker.Worker
	polls  *openPolls    // nil without Polls
	gone   chan struct{} // closed when it does not poll any more
	once   sync.Once
	settle func() // once
	forget func()
}

// quit is called by the SDK when no new poll begins any more. Without Polls, the one for activities may stay open while
// workflow tasks are being finished; what it brings is done.
func (w *drainingWorker) quit() {
	w.once.Do(func() {
		if w.polls != nil {
			close(w.polls.cut)
		}
		close(w.gone)
	})
}

func (w *drainingWorker) Stop() {
	w.settle()
	w.Worker.Stop()
	w.quit()
	w.forget()
}

// stop is Stop; left is called as soon as the worker does not poll any more.
func (w *drainingWorker) stop(left func()) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.Stop()
	}()
	<-w.gone
	left()
	<-stopped
}

// watchPlugin learns the key under which the SDK's worker polls, and when it stops.
type watchPlugin struct {
	worker.PluginBase
	started  func(key string)
	stopping func()
}

func (*watchPlugin) Name() string { return "sluice-hosting" }

func (p *watchPlugin) StartWorker(ctx context.Context, o worker.PluginStartWorkerOptions, next func(context.Context, worker.PluginStartWorkerOptions) error) error {
	if p.started != nil {
		p.started(o.WorkerInstanceKey)
	}
	return next(ctx, o)
}

func (p *watchPlugin) StopWorker(ctx context.Context, o worker.PluginStopWorkerOptions, next func(context.Context, worker.PluginStopWorkerOptions)) {
	p.stopping()
	next(ctx, o)
}

// stopLater tells activities that the worker stops (activity.GetWorkerStopChannel) when the process does. The end of a
// workspace's turn is no reason for them to give up: they would begin again in the next one, and so without end.
type stopLater struct {
	interceptor.WorkerInterceptorBase
	leaving <-chan struct{}
}

func (s *stopLater) InterceptActivity(ctx context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &stopLaterInbound{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, leaving: s.leaving}
}

type stopLaterInbound struct {
	interceptor.ActivityInboundInterceptorBase
	leaving <-chan struct{}
}

func (s *stopLaterInbound) Init(outbound interceptor.ActivityOutboundInterceptor) error {
	return s.Next.Init(&stopLaterOutbound{ActivityOutboundInterceptorBase: interceptor.ActivityOutboundInterceptorBase{Next: outbound}, leaving: s.leaving})
}

type stopLaterOutbound struct {
	interceptor.ActivityOutboundInterceptorBase
	leaving <-chan struct{}
}

func (s *stopLaterOutbound) GetWorkerStopChannel(context.Context) <-chan struct{} { return s.leaving }
