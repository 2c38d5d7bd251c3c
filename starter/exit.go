package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sluice/admin"
	"sluice/internal/connect"
	"sluice/internal/operate"
	"sluice/internal/pairing"
	"sluice/queue"
)

// Exit codes. They are documented in the root command's help.
const (
	exitOK          = 0
	exitFailed      = 1 // a server failed, or the thing is over already
	exitUsage       = 2 // bad usage, or a request that was refused
	exitNotRunning  = 3 // the dispatcher is not running, or no worker answers for it; no such item
	exitUnreachable = 4 // a server cannot be reached or used
)

// usageError is a command line that can't be carried out as it stands.
type usageError struct{ message, hint string }

func (e *usageError) Error() string {
	if e.hint == "" {
		return e.message
	}
	return e.message + " (" + e.hint + ")"
}

func usage(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// codeError ends the command with a code after it has said everything on stdout.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// refusals are what a request can be refused for.
var refusals = []error{
	queue.ErrUnknownWorkspace, queue.ErrUnknownDefinition, queue.ErrForeignDefinition, queue.ErrInvalid,
	queue.ErrKeyHeld, admin.ErrUnknownPlan, admin.ErrNotRetryable, admin.ErrBusy,
}

// exitCode maps an error to the promise in the help.
func exitCode(err error) int {
	var code codeError
	var bad *usageError
	var unreachable *connect.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &bad):
		return exitUsage
	case errors.As(err, &unreachable), errors.Is(err, pairing.ErrOtherDatabase), errors.Is(err, pairing.ErrOtherNamespace):
		return exitUnreachable
	case errors.Is(err, operate.ErrNotRunning), errors.Is(err, operate.ErrNoWorker), errors.Is(err, queue.ErrUnknownItem):
		return exitNotRunning
	case errors.Is(err, operate.ErrRefused), slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }):
		return exitUsage
	}
	return exitFailed
}

// report prints the error, if there is anything left to say, and returns the exit code.
func (a *app) report(err error, asJSON bool) int {
	code := exitCode(err)
	var silent codeError
	if err == nil || errors.As(err, &silent) {
		return code
	}
	message := err.Error()
	var some *partly
	errors.As(err, &some)
	if errors.Is(err, context.DeadlineExceeded) && code == exitFailed && a.timeout > 0 {
		message += fmt.Sprintf(" (gave up after %s; --timeout allows more)", a.timeout)
	}
	if !asJSON {
		if some != nil {
			for _, id := range some.ids {
				fmt.Fprintln(a.stdout, id)
			}
		}
		fmt.Fprintln(a.stderr, "error: "+visible(message))
		return code
	}
	encoder := json.NewEncoder(a.stderr)
	encoder.SetEscapeHTML(false)
	answer := map[string]any{}
	if some != nil {
		answer = some.details()
	}
	answer["error"] = message
	_ = encoder.Encode(answer) // stderr is the last place to complain to
	return code
}

// asksForJSON decides how to report an error that came before the flags were understood.
func asksForJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}
