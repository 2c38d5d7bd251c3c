package request

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Encoder makes requests of what an application would pass to ExecuteWorkflow. The Go SDK makes them, as it would send them: with the
// data converter, the context propagators and the interceptors of the application's own client options. Nothing is sent.
type Encoder struct{ client client.Client }

// NewEncoder returns an encoder with the client options of an application; of these it takes what says how a request is made.
func NewEncoder(options client.Options) (*Encoder, error) {
	nowhere, err := client.NewLazyClient(client.Options{
		HostPort: "passthrough:///nowhere", Namespace: options.Namespace, Logger: options.Logger, DataConverter: options.DataConverter,
		FailureConverter: options.FailureConverter, ContextPropagators: options.ContextPropagators, Interceptors: options.Interceptors,
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(capture)}},
	})
	if err != nil {
		return nil, fmt.Errorf("make an encoder of requests: %w", err)
	}
	return &Encoder{client: nowhere}, nil
}

type captured struct {
	request *workflowservice.StartWorkflowExecutionRequest
}

type captureKey struct{}

// capture stands where a connection would be.
func capture(ctx context.Context, method string, request, reply any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption) error {
	switch r := request.(type) {
	case *workflowservice.GetSystemInfoRequest:
		return nil
	case *workflowservice.StartWorkflowExecutionRequest:
		if c, ok := ctx.Value(captureKey{}).(*captured); ok {
			c.request = proto.Clone(r).(*workflowservice.StartWorkflowExecutionRequest)
			return nil
		}
	}
	return errors.New(method + " is not part of a start")
}

// unnamed is where the SDK wants a name and the application gives none.
const unnamed = "sluice-unnamed"

// Encode makes a request. An id or a task queue that the options do not have is empty in it too, as are the namespace and the request id.
func (e *Encoder) Encode(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (*workflowservice.StartWorkflowExecutionRequest, error) {
	id, queue := options.ID, options.TaskQueue
	if id == "" {
		options.ID = unnamed
	}
	if queue == "" {
		options.TaskQueue = unnamed
	}
	options.EnableEagerStart = false
	var c captured
	if _, err := e.client.ExecuteWorkflow(context.WithValue(ctx, captureKey{}, &c), options, workflow, args...); err != nil {
		return nil, err
	}
	if c.request == nil {
		return nil, errors.New("an interceptor of the client options did not pass the start on")
	}
	r := c.request
	r.Namespace, r.RequestId = "", ""
	if id == "" && r.WorkflowId == unnamed {
		r.WorkflowId = ""
	}
	if queue == "" && r.GetTaskQueue().GetName() == unnamed {
		r.TaskQueue = nil
	}
	return r, nil
}
