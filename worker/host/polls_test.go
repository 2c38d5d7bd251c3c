package host

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
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

// It is not logged by who knows that the worker stops, and a poll that has failed by itself is.
func TestAPollThatIsCutSaysThatTheWorkerStops(t *testing.T) {
	t.Parallel()
	p, of := NewPolls(), newOpenPolls()
	p.of["mine"] = of
	poll := func(fails error) error {
		return p.intercept(t.Context(), "Poll", &workflowservice.PollActivityTaskQueueRequest{WorkerInstanceKey: "mine"}, nil, nil,
			func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				if fails != nil {
					return fails
				}
				close(of.cut)
				<-ctx.Done()
				return ctx.Err()
			})
	}
	unavailable := serviceerror.NewUnavailable("no frontend")
	require.ErrorIs(t, poll(unavailable), unavailable)
	require.EqualError(t, serviceerror.FromStatus(status.Convert(poll(nil))), "worker stopping")
}

func TestPollsThatBringNothingAreLeft(t *testing.T) {
	t.Parallel()
	of := &openPolls{none: make(chan struct{})}
	until, ok := of.begin()
	require.True(t, ok)
	of.settle(time.Millisecond)
	_, again := of.begin()
	require.False(t, again)
	of.end(until)
	<-of.none
}

func TestPollsThatEndWithTheTurnAreWaitedFor(t *testing.T) {
	t.Parallel()
	of := newOpenPolls()
	soon := time.Now().Add(time.Minute)
	of.until = func() time.Time { return soon }
	began, _ := of.begin()
	require.InDelta(t, time.Minute, of.ends(), float64(10*time.Second))
	of.until = nil
	long, _ := of.begin()
	require.Zero(t, of.ends(), "one that the server ends when it likes is not waited for")
	of.end(long)
	require.Positive(t, of.ends())
	of.end(began)
}
