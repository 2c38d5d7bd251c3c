package host

import (
	"context"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// answerFor is for how long Temporal is told again what an activity has come to. After as long it takes a call of an http node for lost.
	answerFor = time.Minute
	// answerWithin is how long Temporal may take to answer, each time.
	answerWithin = 10 * time.Second
)

// answerAgain tells Temporal what an activity has come to for as long as answerFor. The SDK gives up after ten seconds: an activity that had
// ended in an outage of Temporal was taken for lost, and done again, or if it may be done once only, had failed.
func answerAgain(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	switch request.(type) {
	case *workflowservice.RespondActivityTaskCompletedRequest, *workflowservice.RespondActivityTaskFailedRequest, *workflowservice.RespondActivityTaskCanceledRequest:
	default:
		return invoke(ctx, method, request, reply, conn, options...)
	}
	ctx, until := context.WithoutCancel(ctx), time.Now().Add(answerFor)
	options = append(options, grpc.WaitForReady(true))
	for {
		once, end := context.WithTimeout(ctx, answerWithin)
		err := invoke(once, method, request, reply, conn, options...)
		end()
		again := status.Code(err) == codes.Unavailable || status.Code(err) == codes.DeadlineExceeded
		if !again || !time.Now().Before(until) {
			return err
		}
		time.Sleep(time.Second)
	}
}
