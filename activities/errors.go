package activities

import (
	"errors"
	"slices"
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

// isFinal tells an error that is not retried.
func isFinal(err error) bool {
	var refused *temporal.ApplicationError
	return errors.As(err, &refused) && refused.NonRetryable()
}

// Reasons of failed starts, as they stand in queue_items.error, in logs and in metrics.
const (
	reasonWorkspaceGone  = "workspace-gone"
	reasonDefinitionGone = "definition-gone"
	reasonVersionGone    = "version-gone"
	reasonInvalidGraph   = "invalid-definition"
	reasonInvalidRequest = "invalid-request"
	reasonTooLarge       = "too-large"
	reasonRefused        = "start-refused"
	reasonIDTaken        = "workflow-id-taken"
	reasonStartFailed    = "start-failed"
	reasonInputGone      = "input-gone"
)

// startVerdict is what an error of a start means for its item.
type startVerdict int

const (
	startUnknown   startVerdict = iota // it may or may not have started, or what keeps it is not its own; ask again
	startPermanent                     // not started, and no attempt will be
)

// judgeStart classifies an error of StartWorkflowExecution. Certain is only what the server has refused because of this very
// request. Everything else says nothing about the item, and may not cost it an attempt, or one expired key would fail the whole
// backlog: no answer, what the namespace, the credentials or the server's version are to blame for, and what somebody between
// here and the server has answered. That comes under many codes: gRPC itself makes Unimplemented of an HTTP 404, and Internal
// of a 400, and proxies that know gRPC do the same.
func judgeStart(err error) startVerdict {
	var (
		invalid   *serviceerror.InvalidArgument
		exhausted *serviceerror.ResourceExhausted
		internal  *serviceerror.Internal
	)
	switch {
	case isNoGRPC(messageOf(err)):
		return startUnknown
	case errors.As(err, &exhausted) && isTooLarge(exhausted):
		return startPermanent
	case errors.As(err, &internal) && isUnreadable(internal):
		return startPermanent
	case errors.As(err, &invalid) && !isSetUp(invalid):
		return startPermanent
	}
	return startUnknown
}

// messageOf is what the server, or somebody in its place, has answered. What is wrapped around it may hold a name that an item has chosen.
func messageOf(err error) string {
	var answer serviceerror.ServiceError
	if errors.As(err, &answer) {
		return answer.Status().Message()
	}
	return err.Error()
}

// isNoGRPC tells an answer that is none of a gRPC server: a page of a proxy. A server's refusal may quote anything, but not begin so.
func isNoGRPC(message string) bool {
	for _, beginning := range []string{"unexpected HTTP status code", "transport: received unexpected content-type", "received unexpected content-type"} {
		if strings.HasPrefix(message, beginning) {
			return true
		}
	}
	return false
}

// isSetUp tells a namespace that lacks Sluice's search attributes (`starter start` adds them), or has others of their names. The
// server has no code of its own for it. A value that is too large for one is the item's, and so are attributes of other names.
func isSetUp(err *serviceerror.InvalidArgument) bool {
	before, rest, ok := strings.Cut(err.Message, "search attribute ")
	ofNamespace := strings.HasPrefix(strings.ToLower(err.Message), "namespace")
	if !ok {
		return ofNamespace
	}
	name, _, _ := strings.Cut(rest, " ")
	// What other refusals quote of a request may read like this.
	return (before == "" || before == "invalid value for " || ofNamespace) && slices.Contains(workflows.SearchAttributes(), name) && !strings.Contains(rest, " size ")
}

// isTooLarge tells a request that is larger than the server takes from one that comes at a bad moment: gRPC has one code for
// both.
func isTooLarge(err *serviceerror.ResourceExhausted) bool {
	return strings.Contains(err.Error(), "larger than max")
}

// isUnreadable tells a request that gRPC cannot write, here, or the server cannot read.
func isUnreadable(err *serviceerror.Internal) bool {
	return strings.Contains(err.Error(), "error while marshaling") || strings.Contains(err.Error(), "error unmarshalling request")
}
