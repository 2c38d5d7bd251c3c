package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"sluice/internal/definition"
	"sluice/internal/metric"
	"sluice/internal/places"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

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
// those of others, here and in the task queue. That is no attempt, nor is it when the database cannot be asked or this worker stops. The
// input is the body, if there is one; calls that were scheduled before it was an argument of its own have it in the request.
func (a *Activities) CallHTTP(ctx context.Context, r workflows.HTTPRequest, input json.RawMessage) (answer converter.RawValue, err error) {
	if len(input) > 0 {
		r.Body = input
	}
	before, known := signsBefore(ctx)
	if most := r.Retry.MaximumAttempts; most > 0 && before >= most {
		return answer, refusedCall(fmt.Sprintf("the last of %d attempts ended with its worker, or without a sign of life", most))
	}
	ctx, signs, quiet := a.live(ctx, before, known)
	defer quiet()
	reach, leave, err := a.awaitPlace(ctx, len(r.Body))
	if err == nil {
		defer leave()
		err = signs.attempt(ctx)
	}
	if err != nil {
		signs.notMade(ctx)
		return answer, putBack(ctx, before, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(r.Timeout), fmt.Errorf("no answer within %s", time.Duration(r.Timeout)))
	defer cancel()
	response, err := a.call(ctx, reach, r)
	if err == nil {
		answer, err = workflows.Plain(response)
	}
	return answer, failed(before+1, r.Retry, err)
}

// awaitPlace returns what the execution may reach, and a place for a call with so large a body.
func (a *Activities) awaitPlace(ctx context.Context, bytes int) (reach facts.Reach, leave func(), err error) {
	ctx, left := untilStop(ctx)
	defer left()
	ctx, cancel := context.WithTimeoutCause(ctx, workflows.PlacePatience, places.ErrFull)
	defer cancel()
	if reach, err = a.reachOf(ctx); err == nil {
		leave, err = a.places.Take(ctx, reach.WorkspaceID, bytes)
	}
	if err != nil && stopping(ctx) {
		err = errWorkerStopping
	}
	return reach, leave, err
}

// putBack has the call come again later, because of an error before it was made. What no attempt will mend is returned as it is.
func putBack(ctx context.Context, before int32, err error) error {
	if isFinal(err) || ctx.Err() != nil {
		return err
	}
	putBacks := activity.GetInfo(ctx).Attempt - 1 - before
	reason, after := putBackUnreachable, min(firstPutBack<<min(max(0, putBacks), 10), mostPutBack)
	switch {
	case errors.Is(err, places.ErrFull):
		reason = putBackNoPlace
	case errors.Is(err, errWorkerStopping):
		reason, after = putBackStopping, 0
	}
	metric.HTTPCallsPutBack.Add(activity.GetMetricsHandler(ctx), 1, reason)
	return temporal.NewApplicationErrorWithOptions("put back, which is no attempt: "+err.Error(), reason, temporal.ApplicationErrorOptions{
		// Those that were put back together don't come back together.
		NextRetryDelay: max(time.Millisecond, after/2+rand.N(after+1)), Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// failed returns the error of a call that was made, as what Temporal is to do about it by the node's retry policy.
func failed(attempt int32, retry definition.Retry, err error) error {
	if err == nil || isFinal(err) {
		return err
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), "HTTPCall", temporal.ApplicationErrorOptions{
		NonRetryable:   retry.MaximumAttempts > 0 && attempt >= retry.MaximumAttempts,
		NextRetryDelay: retry.After(int(attempt)),               // by its own count, which is not Temporal's
		Category:       temporal.ApplicationErrorCategoryBenign, // it is the workspace's, and no error line of the worker's log
	})
}
