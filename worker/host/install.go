package host

import (
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"sluice/internal/connect"
	"sluice/internal/request"
)

// Install makes the client that is dialed with these options one that serves a host in full. Executions of whose workflow tasks the
// server refuses what they ask for end FAILED with its reason, instead of being tried for ever; items that are workflows are
// started so that this process can have their first tasks with the answer, and tries again by itself what gets none; and when a worker of
// this client, the host's or one of your own, has closed the workflow of an item, its slot is free within milliseconds. Ids of workflows
// may have any characters. What an activity has come to while Temporal was away is told when it is back. NOT_FOUND counts only
// if Temporal sent it, and not a proxy in its place.
func Install(options *client.Options) {
	dial := &options.ConnectionOptions.DialOptions
	*dial = append(*dial, grpc.WithChainUnaryInterceptor(endRefused, new(tap).intercept, answerAgain))
	request.Install(options)
	connect.AnyID(options)
	connect.OnlyTemporals(options)
}
