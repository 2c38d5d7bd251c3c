package connect

import (
	"context"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// OnlyTemporals has calls of a client that is dialed with these options believe only Temporal that something is not found. To who asks it says
// that a workflow has been deleted: that one's slot is freed, and an item may be started. A proxy that has lost its route may give the
// same answer. Temporal tells details with each of its own, and a proxy knows none.
func OnlyTemporals(options *client.Options) {
	dial := &options.ConnectionOptions.DialOptions
	*dial = append(*dial, grpc.WithChainUnaryInterceptor(doubtNotFound))
}

func doubtNotFound(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	if s, ok := status.FromError(err); ok && s.Code() == codes.NotFound && len(s.Proto().GetDetails()) == 0 {
		return status.Errorf(codes.Unavailable, "not found, by an answer that is not Temporal's: %s", s.Message())
	}
	return err
}
