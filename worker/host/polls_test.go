package host

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// A worker that settles lets its open poll bring a last task, and begins no other one.
func TestPollsSettle(t *testing.T) {
	t.Parallel()
	p := NewPolls()
	of := &openPolls{none: make(chan struct{})}
	p.of["mine"] = of
	began, task := make(chan string), make(chan struct{})
	poll := func(ctx context.Context, key string) <-chan error {
		result := make(chan error, 1)
		go func() {
			result <- p.intercept(ctx, "Poll", &workflowservice.PollActivityTaskQueueRequest{WorkerInstanceKey: key}, nil, nil,
				func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
					began <- key
					<-task
					return nil
				})
		}()
		return result
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	last := poll(ctx, "mine")
	require.Equal(t, "mine", <-began)
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		of.settle(time.Minute)
	}()
	require.Eventually(t, func() bool {
		of.mu.Lock()
		defer of.mu.Unlock()
		return of.closed
	}, time.Minute, time.Millisecond)
	next := poll(ctx, "mine")
	others := poll(ctx, "another worker's")
	require.Equal(t, "another worker's", <-began, "only the worker that stops is held back")
	task <- struct{}{}
	task <- struct{}{}
	require.NoError(t, <-last)
	require.NoError(t, <-others)
	<-settled
	require.Empty(t, next)
	stop()
	require.ErrorIs(t, <-next, context.Canceled, "the SDK ends it when the worker stops")
}

func TestPollsThatBringNothingAreLeft(t *testing.T) {
	t.Parallel()
	of := &openPolls{none: make(chan struct{})}
	require.True(t, of.begin())
	of.settle(time.Millisecond)
	require.False(t, of.begin())
	of.end()
	<-of.none
}
