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
	waiting, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := beatEvery(activity.GetInfo(ctx).HeartbeatTimeout)
		beat := time.NewTimer(every)
		defer beat.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			beat.Reset(every)
			select {
			case <-waiting.Done():
				return
			case <-activity.GetWorkerStopChannel(ctx):
				cancel(errWorkerStopping)
				return
			case <-beat.C:
			}
		}
	}()
	return waiting, func() {
		cancel(nil)
		<-done
	}
}

// stopping tells whether a context of beating has ended because this worker stops.
func stopping(waiting context.Context) bool {
	return errors.Is(context.Cause(waiting), errWorkerStopping)
}
