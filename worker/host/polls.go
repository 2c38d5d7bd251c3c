package host

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"
)

// Polls lets workers stop taking tasks before they stop. The SDK cancels its open polls, and a task that the server is
// just handing to one of them is lost until its timeout: at 10 to 20 executions/s one or two with each worker that stops.
// With Polls a worker that is to stop first begins no new poll; the open ones end with a last task each, which is done.
// What is cancelled afterwards has waited in vain for a while, so hardly anything arrives in that instant.
//
// Make one for each client, and give it both to the client, with Install, and to the host. A server that ends polls by
// itself (frontend.enableCancelWorkerPollsOnShutdown, 1.32) needs none of this, and is not disturbed by it.
type Polls struct {
	mu sync.Mutex
	of map[string]*openPolls // by the SDK's key of a worker
}

const (
	// settleLeaving is how long open polls may wait for a last task when the process ends. A queue where tasks come
	// more seldom than that can still lose one, with a chance of at most (the 20 ms of a handover)/(e × 2 s) for each poll.
	settleLeaving = 2 * time.Second
	// settleTurn is the same for one workspace's worker, whose place others wait for.
	settleTurn = 250 * time.Millisecond
	// goodbyeTimeout bounds the call that takes the sticky queue away.
	goodbyeTimeout = time.Second
)

// NewPolls returns a Polls for one client.
func NewPolls() *Polls { return &Polls{of: map[string]*openPolls{}} }

// Install makes the client that is dialed with these options tell p of its polls.
func (p *Polls) Install(options *client.Options) {
	dial := &options.ConnectionOptions.DialOptions
	*dial = append(*dial, grpc.WithChainUnaryInterceptor(p.intercept))
}

// openPolls are the polls of one worker.
type openPolls struct {
	mu     sync.Mutex
	closed bool          // begin no more
	open   int           // how many wait at the server
	none   chan struct{} // closed when closed and none is open
	sticky *workflowservice.ShutdownWorkerRequest
	conn   *grpc.ClientConn
}

// intercept stands between the SDK and the server.
func (p *Polls) intercept(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	var polls *openPolls
	switch r := request.(type) {
	case *workflowservice.PollWorkflowTaskQueueRequest:
		polls = p.ofWorker(r.GetWorkerInstanceKey())
		if polls != nil && r.GetTaskQueue().GetKind() == enums.TASK_QUEUE_KIND_STICKY {
			polls.sees(conn, &workflowservice.ShutdownWorkerRequest{Namespace: r.GetNamespace(), Identity: r.GetIdentity(),
				StickyTaskQueue: r.GetTaskQueue().GetName(), Reason: "graceful shutdown"})
		}
	case *workflowservice.PollActivityTaskQueueRequest:
		polls = p.ofWorker(r.GetWorkerInstanceKey())
	}
	if polls == nil {
		return invoke(ctx, method, request, reply, conn, options...)
	}
	if !polls.begin() {
		<-ctx.Done() // until the worker stops
		return ctx.Err()
	}
	defer polls.end()
	return invoke(ctx, method, request, reply, conn, options...)
}

func (p *Polls) ofWorker(key string) *openPolls {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[key]
}

func (o *openPolls) sees(conn *grpc.ClientConn, sticky *workflowservice.ShutdownWorkerRequest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn, o.sticky = conn, sticky
}

func (o *openPolls) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.open++
	return true
}

func (o *openPolls) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
	if o.closed && o.open == 0 {
		close(o.none)
	}
}

// settle begins no more polls and waits for the open ones, at most so long. It takes the sticky queue away: its
// workflows go to the other workers from now on, instead of waiting for polls that do not come.
func (o *openPolls) settle(within time.Duration) {
	o.mu.Lock()
	o.closed = true
	if o.open == 0 {
		close(o.none)
	}
	sticky, conn := o.sticky, o.conn
	o.mu.Unlock()
	if sticky != nil {
		ctx, cancel := context.WithTimeout(context.Background(), min(within, goodbyeTimeout))
		// A server that does not know the call loses a second for each workflow in the cache, as without it.
		_, _ = workflowservice.NewWorkflowServiceClient(conn).ShutdownWorker(ctx, sticky)
		cancel()
	}
	select {
	case <-o.none:
	case <-time.After(within):
	}
}

// newWorker makes an SDK worker that settles its polls before it stops, where the host has Polls.
func (h *Host) newWorker(taskQueue string, options worker.Options) worker.Worker {
	p := h.cfg.Polls
	if p == nil {
		return worker.New(h.cfg.Client, taskQueue, options)
	}
	w := &settlingWorker{polls: &openPolls{none: make(chan struct{})}}
	options.Plugins = append(options.Plugins, &startPlugin{started: func(key string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		w.key, p.of[key] = key, w.polls
	}})
	w.Worker = worker.New(h.cfg.Client, taskQueue, options)
	w.settle = sync.OnceFunc(func() {
		within := settleTurn
		if h.leaving.Load() {
			within = settleLeaving
		}
		w.polls.settle(within)
	})
	w.forget = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.of, w.key)
	}
	return w
}

// settlingWorker is an SDK worker that takes no more tasks before it stops.
type settlingWorker struct {
	worker.Worker
	key    string // empty until it has started
	polls  *openPolls
	settle func() // once
	forget func()
}

func (w *settlingWorker) Stop() {
	w.settle()
	w.Worker.Stop()
	w.forget()
}

// startPlugin learns the key under which the SDK's worker polls.
type startPlugin struct {
	worker.PluginBase
	started func(key string)
}

func (*startPlugin) Name() string { return "sluice-polls" }

func (p *startPlugin) StartWorker(ctx context.Context, o worker.PluginStartWorkerOptions, next func(context.Context, worker.PluginStartWorkerOptions) error) error {
	p.started(o.WorkerInstanceKey)
	return next(ctx, o)
}
