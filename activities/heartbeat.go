package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// beatEvery is the pause between two heartbeats. It leaves a busy server the other half of the timeout to take the next.
func beatEvery(timeout time.Duration) time.Duration {
	if timeout <= 0 {
		return time.Second
	}
	return timeout / 2
}

// errWorkerStopping makes Temporal hand an activity to another worker at once.
var errWorkerStopping = temporal.NewApplicationErrorWithOptions("this worker is stopping", "WorkerStopping",
	temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond, Category: temporal.ApplicationErrorCategoryBenign})

// beating heartbeats until stop is called, which waits for the last beat. The context it returns also ends when this
// worker stops; stopping then tells so.
func beating(ctx context.Context) (waiting context.Context, stop func()) {
	waiting, left := untilStop(ctx)
	beaten := make(chan struct{})
	go func() {
		defer close(beaten)
		next := time.NewTicker(beatEvery(activity.GetInfo(ctx).HeartbeatTimeout))
		defer next.Stop()
		for {
			activity.RecordHeartbeat(ctx) // with the activity's own context: the SDK cancels an activity whose heartbeat is broken off
			select {
			case <-waiting.Done():
				return
			case <-next.C:
			}
		}
	}()
	return waiting, func() {
		left()
		<-beaten
	}
}

// untilStop returns a context that also ends when this worker stops; stopping then tells so.
func untilStop(ctx context.Context) (waiting context.Context, left func()) {
	waiting, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-waiting.Done():
		case <-activity.GetWorkerStopChannel(ctx):
			cancel(errWorkerStopping)
		}
	}()
	return waiting, func() {
		cancel(nil)
		<-done
	}
}

// stopping tells whether a context of untilStop has ended because this worker stops.
func stopping(waiting context.Context) bool {
	return errors.Is(context.Cause(waiting), errWorkerStopping)
}
