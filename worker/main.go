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
	"log/slog"
	"math"
	"os"
	"os/signal"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // so a second signal ends the process at once
	if err := newCommand(run).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// memoryOfContainer is how much memory the process may have. Tests say another one.
var memoryOfContainer memlimit.Provider = memlimit.FromCgroup

// limitMemory has the garbage collector keep the process below nine tenths of that, as far as it can: by default it lets the heap grow to
// twice what is in use. A container that has too much is killed, and all workspaces wait. GOMEMLIMIT rules where it is set.
func limitMemory(log *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithProvider(memoryOfContainer))
	switch {
	case err != nil:
		log.Debug("cannot tell how much memory there may be", "error", err)
	case limit < math.MaxInt64:
		log.Info("memory is limited", "bytes", limit)
	}
}
