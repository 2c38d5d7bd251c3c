package request

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// clientFor returns a client that makes requests as that of an application does, and sends nothing.
func clientFor(options client.Options) (client.Client, error) {
	nowhere, err := client.NewLazyClient(client.Options{
		HostPort: "passthrough:///nowhere", Namespace: options.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)), DataConverter: options.DataConverter,
		FailureConverter: options.FailureConverter, ContextPropagators: options.ContextPropagators, Interceptors: options.Interceptors,
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(capture)}},
	})
	if err != nil {
		return nil, fmt.Errorf("make a client that encodes: %w", err)
	}
	return nowhere, nil
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

// Encode makes a request of what an application would pass to ExecuteWorkflow. The Go SDK makes it, as it would send it: with the data
// converter, the context propagators and the interceptors of the application's client options. An id or a task queue that is not given
// is empty in it too, as are the namespace and the request id.
//
// It takes a client of its own each time, some 100 µs of processor time: one that is kept would leave a goroutine behind.
func Encode(ctx context.Context, of client.Options, options client.StartWorkflowOptions, workflow any, args ...any) (*workflowservice.StartWorkflowExecutionRequest, error) {
	nowhere, err := clientFor(of)
	if err != nil {
		return nil, err
	}
	defer nowhere.Close()
	id, queue := options.ID, options.TaskQueue
	if id == "" {
		options.ID = unnamed
	}
	if queue == "" {
		options.TaskQueue = unnamed
	}
	options.EnableEagerStart = false
	var c captured
	if _, err := nowhere.ExecuteWorkflow(context.WithValue(ctx, captureKey{}, &c), options, workflow, args...); err != nil {
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
