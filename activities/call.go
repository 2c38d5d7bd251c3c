package activities

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"sluice/internal/definition"
	"sluice/internal/metric"
	"sluice/internal/places"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

// callBeat is the pause between two heartbeats of a call. The SDK sends them at most every 24 s, 0.8 of their timeout, and tries each for as
// long, so a shorter outage of Temporal ends no call. That is also how soon a call ends, and leaves its place, whose execution has ended.
const callBeat = 10 * time.Second

// A call that was put back comes again after a second, then after two, and so on.
const (
	firstPutBack = time.Second
	mostPutBack  = time.Minute
)

// Reasons why a call is put back.
const (
	putBackNoPlace     = "no-place"
	putBackUnreachable = "unreachable" // Postgres, or Temporal
	putBackStopping    = "worker-stopping"
)

// CallHTTP is an attempt of an http node. It waits for one of the places for calls, which its workspace shares with the others, and makes
// the call. What finds no place is put back, to come again later: so the calls of one workspace whose servers do not answer leave room for
// those of others, here and in the task queue. That is no attempt, nor is it when the database cannot be asked or this worker stops.
func (a *Activities) CallHTTP(ctx context.Context, r workflows.HTTPRequest) (response workflows.HTTPResponse, err error) {
	at := attemptOf(ctx)
	if most := r.Retry.MaximumAttempts; most > 0 && at.number > most {
		return response, refusedCall(fmt.Sprintf("the last of %d attempts ended with its worker, or without a sign of life", most))
	}
	beats := at.beating(ctx)
	defer beats()
	reach, leave, err := a.awaitPlace(ctx)
	if err != nil {
		beats()
		return response, at.putBack(ctx, err)
	}
	defer leave()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(r.Timeout), fmt.Errorf("no answer within %s", time.Duration(r.Timeout)))
	defer cancel()
	response, err = a.call(ctx, reach, r)
	return response, at.failed(r.Retry, err)
}

// awaitPlace returns what the execution may reach, and a place for the call.
func (a *Activities) awaitPlace(ctx context.Context) (reach facts.Reach, leave func(), err error) {
	ctx, left := untilStop(ctx)
	defer left()
	ctx, cancel := context.WithTimeoutCause(ctx, workflows.PlacePatience, places.ErrFull)
	defer cancel()
	if reach, err = a.reachOf(ctx); err == nil {
		leave, err = a.places.Take(ctx, reach.WorkspaceID)
	}
	if err != nil && stopping(ctx) {
		err = errWorkerStopping
	}
	return reach, leave, err
}

// attempt is which attempt of a node this one is, and how often its call was put back before. Temporal counts both together.
type attempt struct {
	number int32
	progress
}

// progress is what heartbeats tell the next attempt.
type progress struct {
	PutBacks int32 `json:"putBacks"`
}

// attemptOf reads from the heartbeats of earlier attempts how many of them were put back. One whose heartbeat was lost counts as an attempt.
func attemptOf(ctx context.Context) (at attempt) {
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &at.progress); err != nil {
			at.progress = progress{}
		}
	}
	at.number = max(1, activity.GetInfo(ctx).Attempt-at.PutBacks) // an operator may have reset Temporal's count
	return at
}

// beating shows Temporal that the attempt goes on, until the function is called that it returns.
func (at attempt) beating(ctx context.Context) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		beat(ctx, end, callBeat, at.progress)
	}()
	return sync.OnceFunc(func() {
		close(end)
		<-done
	})
}

// putBack has the call come again later, because of an error before it was made. What no attempt will mend is returned as it is.
func (at attempt) putBack(ctx context.Context, err error) error {
	if isFinal(err) || ctx.Err() != nil {
		return err
	}
	reason, after := putBackUnreachable, min(firstPutBack<<min(at.PutBacks, 10), mostPutBack)
	switch {
	case errors.Is(err, places.ErrFull):
		reason = putBackNoPlace
	case errors.Is(err, errWorkerStopping):
		reason, after = putBackStopping, 0
	}
	metric.HTTPCallsPutBack.Add(activity.GetMetricsHandler(ctx), 1, reason)
	activity.RecordHeartbeat(ctx, progress{at.PutBacks + 1})
	return temporal.NewApplicationErrorWithOptions("put back, which is no attempt: "+err.Error(), reason, temporal.ApplicationErrorOptions{
		// Those that were put back together don't come back together.
		NextRetryDelay: max(time.Millisecond, after/2+rand.N(after+1)), Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// failed returns the error of a call that was made, as what Temporal is to do about it by the node's retry policy.
func (at attempt) failed(retry definition.Retry, err error) error {
	if err == nil || isFinal(err) {
		return err
	}
	options := temporal.ApplicationErrorOptions{NonRetryable: retry.MaximumAttempts > 0 && at.number >= retry.MaximumAttempts}
	if at.PutBacks > 0 { // otherwise Temporal counts right
		options.NextRetryDelay = retry.After(int(at.number))
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), "HTTPCall", options)
}
