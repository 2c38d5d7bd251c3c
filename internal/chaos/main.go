package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes beside 0.
const (
	exitFailed = 1 // a violation, or the run could not be made
	exitUsage  = 2
)

// errViolations says that the run was made and has found something; the report tells what.
var errViolations = errors.New("invariants were violated")

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // so a second signal ends the process at once; its children follow
	err := newCommand(run).ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(exitUsage)
	case errors.Is(err, errViolations):
		os.Exit(exitFailed)
	default:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(exitFailed)
	}
}
