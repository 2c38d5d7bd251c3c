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
