package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// callBeat is the pause between two signs of life of a call. It is also how soon a call ends, and leaves its place,
// that is cancelled or whose execution has ended.
const callBeat = 10 * time.Second

// signs are a call's signs of life, its heartbeats. They say how many attempts there were: Temporal counts how often the call was delivered,
// which is more if it was put back, or lost before it was made. The SDK's own heartbeats do not do: an activity is cancelled when one of
// them is not answered, and nobody learns whether it was taken.
type signs struct {
	send func(ctx context.Context, attempts int32) error
	cut  context.CancelCauseFunc

	mu       sync.Mutex
	attempts int32
}

// attemptsBefore reads from the last sign of life how many attempts there were.
func attemptsBefore(ctx context.Context) int32 {
	var last progress
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &last); err != nil || last.Attempts >= activity.GetInfo(ctx).Attempt { // an operator has reset it
			return 0
		}
	}
	return last.Attempts
}

// progress is what a heartbeat tells the next delivery.
type progress struct {
	Attempts int32 `json:"attempts"`
}

// heartbeat sends Temporal a heartbeat of a call.
func (a *Activities) heartbeat(ctx context.Context, attempts int32) error {
	return a.client.RecordActivityHeartbeat(ctx, activity.GetInfo(ctx).TaskToken, progress{attempts})
}

// live gives signs of life until quiet is called. The context it returns also ends when nobody waits for the call any more.
func (a *Activities) live(ctx context.Context, attempts int32) (living context.Context, s *signs, quiet func()) {
	living, cut := context.WithCancelCause(ctx)
	s = &signs{send: a.beat, cut: cut, attempts: attempts}
	done := make(chan struct{})
	go func() {
		defer close(done)
		next := time.NewTicker(callBeat)
		defer next.Stop()
		for {
			select {
			case <-living.Done():
				return
			case <-next.C:
				s.mu.Lock()
				_ = s.give(living)
				s.mu.Unlock()
			}
		}
	}()
	return living, s, func() {
		cut(nil)
		<-done
	}
}

// attempt returns when Temporal knows that the call is made now. After an error it must not be made: if this worker is lost, nobody would
// know of the attempt.
func (s *signs) attempt(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	err := s.give(ctx)
	if err != nil {
		s.attempts--
	}
	return err
}

// give gives one sign of life, with mu held. That it is not answered ends no call: Temporal may be away for a moment.
func (s *signs) give(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callBeat)
	defer cancel()
	err := s.send(ctx, s.attempts)
	var gone *serviceerror.NotFound
	if temporal.IsCanceledError(err) || errors.As(err, &gone) {
		s.cut(err)
	}
	return err
}
