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

const (
	// callBeat is the pause between two signs of life of a call. It is also how soon a call ends, and leaves its place, that is cancelled or whose
	// execution has ended.
	callBeat = 10 * time.Second
	// waitBeat is when a call that is not made yet gives its first sign of life. Most are made before.
	waitBeat = 250 * time.Millisecond
)

// signs are a call's signs of life, its heartbeats. They say how many attempts there were: Temporal counts how often the call was delivered,
// which is more if it was put back, or lost before it was made. While Temporal knows of no sign of life, each delivery counts as an attempt, so a
// call that is made at once needs none. The SDK's own heartbeats do not do: an activity is cancelled when one of them is not answered, and
// nobody learns whether it was taken.
type signs struct {
	send func(ctx context.Context, attempts int32) error
	cut  context.CancelCauseFunc

	mu       sync.Mutex
	attempts int32
	known    bool // Temporal knows of a sign of life, of this delivery or one before
	doubtful bool // it may know of an attempt that was not made: only the answer was lost
	made     bool // the call is made in this delivery
}

// progress is what a heartbeat tells the next delivery.
type progress struct {
	Attempts int32 `json:"attempts"`
}

// signsBefore reads from the last sign of life how many attempts there were.
func signsBefore(ctx context.Context) (attempts int32, known bool) {
	delivered := activity.GetInfo(ctx).Attempt - 1
	if !activity.HasHeartbeatDetails(ctx) {
		return delivered, false
	}
	var last progress
	if err := activity.GetHeartbeatDetails(ctx, &last); err != nil || last.Attempts > delivered { // an operator has reset it
		return 0, true
	}
	return last.Attempts, true
}

// heartbeat sends Temporal a heartbeat of a call.
func (a *Activities) heartbeat(ctx context.Context, attempts int32) error {
	return a.client.RecordActivityHeartbeat(ctx, activity.GetInfo(ctx).TaskToken, progress{attempts})
}

// live gives signs of life until quiet is called. The context it returns also ends when nobody waits for the call any more.
func (a *Activities) live(ctx context.Context, attempts int32, known bool) (living context.Context, s *signs, quiet func()) {
	living, cut := context.WithCancelCause(ctx)
	s = &signs{send: a.beat, cut: cut, attempts: attempts, known: known}
	done := make(chan struct{})
	go func() {
		defer close(done)
		early, next := time.NewTimer(waitBeat), time.NewTicker(callBeat)
		defer early.Stop()
		defer next.Stop()
		for {
			select {
			case <-living.Done():
				return
			case <-early.C:
				s.notMade(living)
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

// attempt returns when the call may be made. After an error it must not be: if this worker is lost, nobody would know of the attempt.
func (s *signs) attempt(ctx context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if s.known {
		err = s.give(ctx)
	}
	if s.made = err == nil; !s.made {
		s.attempts--
		s.doubtful = true
	}
	return err
}

// notMade tells Temporal that this delivery is no attempt, unless the call is made, or Temporal knows.
func (s *signs) notMade(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.made && (!s.known || s.doubtful) {
		_ = s.give(ctx)
	}
}

// give gives one sign of life, with mu held. That it is not answered ends no call: Temporal may be away for a moment.
func (s *signs) give(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callBeat)
	defer cancel()
	err := s.send(ctx, s.attempts)
	if err == nil {
		s.known, s.doubtful = true, false
	}
	var gone *serviceerror.NotFound
	if temporal.IsCanceledError(err) || errors.As(err, &gone) {
		s.cut(err)
	}
	return err
}
