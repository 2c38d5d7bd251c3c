package activities

import (
	"errors"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"sluice/internal/store"
	"sluice/workflows"
)

// temporalError maps what the store says to what Temporal retries: a refused request and a lost fence will not get
// better, everything else may.
func temporalError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrFenced):
		return temporal.NewNonRetryableApplicationError(err.Error(), workflows.ErrorFenced, err)
	}
	var refused *store.RequestError
	if errors.As(err, &refused) {
		return temporal.NewNonRetryableApplicationError(err.Error(), "RefusedRequest", err)
	}
	return err
}

// Reasons of failed starts, as they stand in queue_items.error, in logs and in metrics.
const (
	reasonWorkspaceGone  = "workspace-gone"
	reasonDefinitionGone = "definition-gone"
	reasonVersionGone    = "version-gone"
	reasonInvalidGraph   = "invalid-definition"
	reasonTooLarge       = "too-large"
	reasonRefused        = "start-refused"
	reasonIDTaken        = "workflow-id-taken"
	reasonStartFailed    = "start-failed"
)

// startVerdict is what an error of a start means for its item.
type startVerdict int

const (
	startUnknown   startVerdict = iota // Temporal was not reached: it may or may not have started; ask again
	startFailed                        // not started; another attempt may succeed
	startPermanent                     // not started, and no attempt will be
)

// judgeStart classifies an error of StartWorkflowExecution. What the server refused because of the item itself is
// certain. What never got an answer is not, and what the namespace or the credentials are to blame for says nothing
// about the item: neither may cost it an attempt, or one expired key would fail the whole backlog.
func judgeStart(err error) startVerdict {
	var (
		invalid       *serviceerror.InvalidArgument
		unimplemented *serviceerror.Unimplemented
		precondition  *serviceerror.FailedPrecondition
		internal      *serviceerror.Internal
		exhausted     *serviceerror.ResourceExhausted
	)
	switch {
	case errors.As(err, &exhausted) && isTooLarge(exhausted):
		return startPermanent
	case errors.As(err, &invalid) && isMissingAttribute(invalid):
		return startUnknown
	case errors.As(err, &invalid), errors.As(err, &unimplemented):
		return startPermanent
	case errors.As(err, &precondition), errors.As(err, &internal):
		return startFailed
	}
	return startUnknown
}

// isMissingAttribute tells a namespace that lacks Sluice's search attributes (`starter start` adds them). The server
// has no code of its own for it.
func isMissingAttribute(err *serviceerror.InvalidArgument) bool {
	return strings.Contains(strings.ToLower(err.Error()), "search attribute")
}

// isTooLarge tells a request that is larger than the server takes from one that comes at a bad moment: gRPC has one code for
// both.
func isTooLarge(err *serviceerror.ResourceExhausted) bool {
	return strings.Contains(err.Error(), "larger than max")
}
