package request

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Sender starts workflows by requests that are complete. It has the SDK start something, which tries again and can bring the first task
// back with the answer, and puts the request in the place of what the SDK would send.
type Sender struct {
	client    client.Client
	installed func() bool
}

// Install makes the client that is dialed with these options one with which a Sender can do so, and that knows OfFirstEvent. With another one a
// Sender sends requests itself: then there is no eager start.
func Install(options *client.Options) {
	dial := &options.ConnectionOptions.DialOptions
	*dial = append(*dial, grpc.WithChainUnaryInterceptor(exchange, narrow))
}

// NewSender returns a sender for a client.
func NewSender(c client.Client) *Sender {
	return &Sender{client: c, installed: sync.OnceValue(func() bool {
		var p parcel
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), parcelKey{}, &p), time.Second)
		defer cancel() // without the interceptor it goes out, and nothing may answer
		_, _ = c.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
		return p.seen
	})}
}

// parcel is a request on its way.
type parcel struct {
	request *workflowservice.StartWorkflowExecutionRequest
	id      string // of a request that the SDK has made
	seen    bool
}

// WithID gives the SDK's own start, made with this context by a client with Install, an id by which the server knows a repeated one.
func WithID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, parcelKey{}, &parcel{id: id})
}

type parcelKey struct{}

func exchange(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	p, ok := ctx.Value(parcelKey{}).(*parcel)
	if !ok {
		return invoke(ctx, method, request, reply, conn, options...)
	}
	p.seen = true
	start, ok := request.(*workflowservice.StartWorkflowExecutionRequest)
	switch {
	case p.id != "" && ok:
		sent := proto.Clone(start).(*workflowservice.StartWorkflowExecutionRequest)
		sent.RequestId = p.id
		request = sent
	case p.id != "":
	case p.request == nil:
		return nil
	case ok:
		sent := proto.Clone(p.request).(*workflowservice.StartWorkflowExecutionRequest)
		sent.RequestEagerExecution, sent.EagerWorkerDeploymentOptions = start.RequestEagerExecution, start.EagerWorkerDeploymentOptions
		request = sent
	}
	return invoke(ctx, method, request, reply, conn, options...)
}

// Send starts a workflow and returns its run id. Eager asks for its first task, if a worker of this client serves its task queue.
func (s *Sender) Send(ctx context.Context, r *workflowservice.StartWorkflowExecutionRequest, eager bool) (runID string, err error) {
	if !s.installed() {
		started, err := s.client.WorkflowService().StartWorkflowExecution(ctx, r)
		if err != nil {
			return "", fmt.Errorf("start %s: %w", r.GetWorkflowId(), err)
		}
		return started.GetRunId(), nil
	}
	run, err := s.client.ExecuteWorkflow(context.WithValue(ctx, parcelKey{}, &parcel{request: r}), client.StartWorkflowOptions{
		ID: r.GetWorkflowId(), TaskQueue: r.GetTaskQueue().GetName(), EnableEagerStart: eager, WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, r.GetWorkflowType().GetName())
	if err != nil {
		return "", fmt.Errorf("start %s: %w", r.GetWorkflowId(), err)
	}
	return run.GetRunID(), nil
}
