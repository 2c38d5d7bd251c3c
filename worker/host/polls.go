package host

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
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
	// settleTurn is the same for one workspace's worker, whose place others wait for. Polls that began while others waited end
	// soon after its turn, and are waited for: the server ends such a poll without a task, or with one that has arrived.
	settleTurn = 250 * time.Millisecond
	// leastPoll and longestPoll bound the time for which polls are opened while workspaces wait, and pollMargin is how long before
	// its deadline the server ends a poll. It refuses polls of less than 2 s.
	leastPoll   = 1500 * time.Millisecond
	longestPoll = DefaultTurnInterval
	pollMargin  = time.Second
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
	cut    chan struct{} // closed when those that are still open are to end
	// until is when a poll that begins now had better be over, zero for whenever the server ends it; nil for always so.
	until  func() time.Time
	long   int       // how many open ones end when the server likes
	latest time.Time // when the last of the others ends
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
	until, ok := polls.begin()
	if !ok {
		<-ctx.Done() // until the worker stops
		return ctx.Err()
	}
	defer polls.end(until)
	ctx, cancel := context.WithCancel(ctx)
	if !until.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, until)
	}
	defer cancel()
	invoked := make(chan struct{})
	defer close(invoked)
	go func() {
		select {
		case <-polls.cut:
			cancel()
		case <-invoked:
		}
	}()
	err := invoke(ctx, method, request, reply, conn, options...)
	select {
	case <-polls.cut:
		if err != nil {
			return errCut
		}
	default:
	}
	return err
}

// errCut ends a poll that was cut. The SDK warns of it, for its worker stops only afterwards: it reads as what the SDK has itself for that.
var errCut = status.Error(codes.Canceled, "worker stopping")

func newOpenPolls() *openPolls {
	return &openPolls{none: make(chan struct{}), cut: make(chan struct{})}
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

func (o *openPolls) begin() (until time.Time, ok bool) {
	if o.until != nil {
		until = o.until()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return until, false
	}
	o.open++
	if until.IsZero() {
		o.long++
	} else if until.After(o.latest) {
		o.latest = until
	}
	return until, true
}

func (o *openPolls) end(until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
	if until.IsZero() {
		o.long--
	}
	if o.closed && o.open == 0 {
		close(o.none)
	}
}

// ends is how long the open polls may take if the server ends them all soon, else 0.
func (o *openPolls) ends() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.long > 0 {
		return 0
	}
	return time.Until(o.latest)
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
