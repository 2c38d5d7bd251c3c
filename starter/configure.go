package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/operate"
	"sluice/workflows"
)

func (a *app) configureCommand() *cobra.Command {
	var tunables tunableFlags
	command := &cobra.Command{
		Use: "configure", Short: "Change the running dispatcher's tunables", Args: exactly(),
		Long:    "Change tunables of the running dispatcher, from its next cycle on. What is not given stays.",
		Example: "  starter configure --batch-size 256 --poll-interval 500ms",
	}
	tunables.add(command)
	command.MarkFlagsOneRequired("batch-size", "poll-interval", "spin", "parallelism")
	return a.does(command, func(ctx context.Context, _ []string) error {
		c, err := a.client(ctx)
		if err != nil {
			return err
		}
		request := tunables.request(command)
		request.Actor = a.config.Actor
		status, err := operate.Configure(ctx, c, request)
		if err != nil {
			return err
		}
		return a.result(status, func(w io.Writer) { _, _ = fmt.Fprintln(w, "dispatcher configured: "+tunablesText(status.Tunables)) })
	})
}

// tunableFlags are the dispatcher's knobs as flags.
type tunableFlags struct {
	batchSize, parallelism int
	pollInterval, spin     time.Duration
}

func (f *tunableFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.IntVar(&f.batchSize, "batch-size", workflows.DefaultBatchSize, "the most that one cycle claims")
	flags.DurationVar(&f.pollInterval, "poll-interval", time.Duration(workflows.DefaultPollInterval), "how often a parked dispatcher looks although nothing has called it")
	flags.DurationVar(&f.spin, "spin", time.Duration(workflows.DefaultSpin), "how long it waits for work before it parks")
	flags.IntVar(&f.parallelism, "parallelism", workflows.DefaultParallelism, "how many starts are in flight at once")
}

// request holds what was given, and nothing else.
func (f *tunableFlags) request(command *cobra.Command) workflows.ConfigureRequest {
	var r workflows.ConfigureRequest
	changed := command.Flags().Changed
	if changed("batch-size") {
		r.BatchSize = &f.batchSize
	}
	if changed("poll-interval") {
		interval := workflows.Duration(f.pollInterval)
		r.PollInterval = &interval
	}
	if changed("spin") {
		spin := workflows.Duration(f.spin)
		r.Spin = &spin
	}
	if changed("parallelism") {
		r.Parallelism = &f.parallelism
	}
	return r
}

// initial is what a new dispatcher begins with: what was not given is left to its defaults.
func (f *tunableFlags) initial(command *cobra.Command) workflows.Tunables {
	r := f.request(command)
	return workflows.Tunables{BatchSize: deref(r.BatchSize), PollInterval: deref(r.PollInterval), Spin: deref(r.Spin), Parallelism: deref(r.Parallelism)}
}

func tunablesText(t workflows.Tunables) string {
	return fmt.Sprintf("batch size %d, poll interval %s, spin %s, parallelism %d",
		t.BatchSize, time.Duration(t.PollInterval), time.Duration(t.Spin), t.Parallelism)
}
