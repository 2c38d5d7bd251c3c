package request

import (
	"context"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// OfFirstEvent has the SDK's read of a history, made with this context by a client with Install, bring little more than the first event, which
// has the request of the start. The SDK reads pages, which may have megabytes.
func OfFirstEvent(ctx context.Context) context.Context {
	return context.WithValue(ctx, firstEventKey{}, true)
}

type firstEventKey struct{}

func narrow(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if read, ok := request.(*workflowservice.GetWorkflowExecutionHistoryRequest); ok && ctx.Value(firstEventKey{}) != nil {
		read = proto.CloneOf(read)
		read.MaximumPageSize = 1
		request = read
	}
	return invoke(ctx, method, request, reply, conn, options...)
}
