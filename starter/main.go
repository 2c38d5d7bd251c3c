// Command starter is the command line of Sluice: it migrates the schema, starts and steers the dispatcher, and enqueues,
// lists, cancels and retries work.
//
// It owns flags, configuration, exit codes and what is printed. It must not know how anything is done: queue and admin
// change what is in Postgres, internal/store/facts reads it, internal/operate talks to Temporal, schema migrates,
// internal/connect waits for servers.
//
// Reading order: main.go, root.go (the tree and its help), config.go (where addresses come from), app.go (connections),
// the end of this file (errors to exit codes); then one file for each noun, with its rendering in a render_ file.
//
// Invariants:
//   - a command opens only the servers it needs: everything but start, stop, status, audit, configure, the pause of all
//     there is without an end, and ending what runs works while Temporal is down;
//   - results go to stdout, everything else to stderr; with --json both are JSON, and stderr holds nothing but an error;
//   - rendering is pure: it is given the data and the time, so golden files can pin it;
//   - nothing reads the process environment but main.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"syscall"
	"time"

	"go.temporal.io/sdk/contrib/envconfig"

	"sluice/admin"
	"sluice/internal/connect"
	"sluice/internal/operate"
	"sluice/internal/pairing"
	"sluice/internal/store/catalog"
	"sluice/queue"
	"sluice/starter/bulk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, surroundings{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: envconfig.EnvLookupOS, user: userName(), now: time.Now,
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// surroundings are what the process gives the command; tests give their own.
type surroundings struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            envconfig.EnvLookup
	user           string
	now            func() time.Time
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, s surroundings, args []string) int {
	a := &app{surroundings: s}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(s.stdin)
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	command, err := root.ExecuteContextC(ctx)
	a.close()
	if err != nil && !a.entered {
		err = &usageError{message: err.Error(), hint: "see: " + command.CommandPath() + " --help"}
	}
	return a.report(err, a.flags.json || asksForJSON(args))
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	return "unknown"
}

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
	queue.ErrKeyHeld, admin.ErrTooManyDefinitions, admin.ErrUnknownPlan, admin.ErrNotRetryable, admin.ErrBusy, catalog.ErrRunning,
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
	case errors.As(err, &bad), errors.As(err, new(*bulk.UsageError)):
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
	answer := map[string]any{}
	if some != nil {
		answer = some.details()
	}
	answer["error"] = message
	_ = writeJSON(a.stderr, answer, "") // stderr is the last place to complain to
	return code
}

// asksForJSON decides how to report an error that came before the flags were understood.
func asksForJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}
