package connect

import (
	"context"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// OnlyTemporals makes a client that is dialed with these options take NOT_FOUND for an answer only if Temporal sent it. It means that a
// workflow has been deleted: its slot is freed, or its item is started again. A proxy that has lost its route may answer NOT_FOUND too. Temporal
// sends error details with it, and a proxy does not: without details the error is UNAVAILABLE, which is retried.
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
