// Command worker is Sluice in one process: it polls Temporal for the dispatcher, for the activities that call the
// outside world and for every workspace that has work, and with --dev it brings its own PostgreSQL and Temporal.
//
// Standard output is for programs: the lines "postgres: <url>", "temporal: <host:port>" and, where it is known,
// "ui: <url>", with --dev "dashboard: <url>", then "ready" once work is being done. With --demo the demo's progress follows. All else
// goes to standard error. The exit code is 1 after an error, which is the last line there.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // so a second signal ends the process at once
	if err := newCommand(run).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
