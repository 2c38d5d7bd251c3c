// Command starter is the command line of Sluice: it migrates the schema, starts and steers the dispatcher, and enqueues,
// lists, cancels and retries work.
//
// It owns flags, configuration, exit codes and what is printed. It must not know how anything is done: queue and admin
// change what is in Postgres, internal/store/facts reads it, internal/operate talks to Temporal, schema migrates,
// internal/connect waits for servers.
//
// Reading order: main.go, root.go (the tree and its help), config.go (where addresses come from), app.go (connections),
// exit.go (errors to exit codes); then one file for each noun, with its rendering in a render_ file.
//
// Invariants:
//   - a command opens only the servers it needs: everything but start, stop, status, audit, pause, resume, configure and the
//     cancellation of what runs works while Temporal is down;
//   - results go to stdout, everything else to stderr; with --json both are JSON, and stderr holds nothing but an error;
//   - rendering is pure: it is given the data and the time, so golden files can pin it;
//   - nothing reads the process environment but main.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"go.temporal.io/sdk/contrib/envconfig"
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
