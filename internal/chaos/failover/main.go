// Command failover measures how long nothing is dispatched after the process that runs the dispatcher has died without
// a word while others live.
//
//	go run ./internal/chaos/failover --rounds 30
//
// In each round it brings the dispatcher into one situation, kills its process with SIGKILL, and takes the time until
// Postgres shows the next start:
//
//	waiting       nothing to do: the dispatcher waits in AwaitWork; an item is enqueued right after the kill
//	spinning      an item every 300 ms: it waits inside its workflow task; the next item enqueued after the kill counts
//	mid-dispatch  a burst has been claimed and not all of it is settled; the next settled start counts
//
// Run it on a quiet machine; the figures and the timeouts that were chosen by them stand in docs/operations.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// options is what a measurement can be told.
type options struct {
	rounds  int
	workers int
	batch   int
}

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore)
	var o options
	cmd := &cobra.Command{
		Use: "failover", Short: "Measure how fast another worker takes the dispatcher over", Args: cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.rounds < 1 || o.workers < 2 || o.batch < 1 {
				return errors.New("--rounds and --batch must be at least 1, --workers at least 2")
			}
			return run(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVar(&o.rounds, "rounds", 20, "kills in each situation")
	cmd.Flags().IntVar(&o.workers, "workers", 3, "worker processes")
	cmd.Flags().IntVar(&o.batch, "batch", 128, "the dispatcher's batch size")
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
