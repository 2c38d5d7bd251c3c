package connect

import (
	"context"
	"slices"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// resourceHeader is where the SDK repeats what a call is about, such as a workflow's id.
const resourceHeader = "temporal-resource-id"

// AnyID has calls of a client that is dialed with these options reach Temporal whatever characters an id has. A header holds
// printable ASCII only, and gRPC refuses a call with another one before it is sent: the workflow "Überweisung-1" could be neither started nor
// looked at, and would hold its slot for ever. The server does without the header, which earlier SDKs do not send.
func AnyID(options *client.Options) {
	dial := &options.ConnectionOptions.DialOptions
	*dial = append(*dial, grpc.WithChainUnaryInterceptor(withoutResource))
}

func withoutResource(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if sent, _ := metadata.FromOutgoingContext(ctx); slices.ContainsFunc(sent[resourceHeader], isNoHeader) {
		delete(sent, resourceHeader) // it is a copy
		ctx = metadata.NewOutgoingContext(ctx, sent)
	}
	return invoke(ctx, method, request, reply, conn, options...)
}

func isNoHeader(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return true
		}
	}
	return false
}
