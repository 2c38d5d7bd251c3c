package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"sluice/internal/operate"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// toldResult is what a message to the dispatcher prints: its status, and with several shards those of the others.
type toldResult struct {
	workflows.Status
	Others []workflows.Status `json:"others,omitempty"`
}

func told(all []workflows.Status) toldResult { return toldResult{all[0], all[1:]} }

func (a *app) stopCommand() *cobra.Command {
	var reason string
	var all bool
	command := &cobra.Command{
		Use: "stop", Short: "Stop the dispatcher", Args: exactly(),
		Long: "Stop the dispatcher, with several shards all of them, once its current cycle is done. What runs goes on, what\n" +
			"waits stays in the queue, and the recovery schedule stays, because what runs still needs its outcome recorded.\n" +
			"So give --all only when nothing runs any more.",
	}
	command.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	command.Flags().BoolVar(&all, "all", false, "delete the recovery schedule too")
	return a.does(command, func(ctx context.Context, _ []string) error {
		c, err := a.client(ctx)
		if err != nil {
			return err
		}
		request := workflows.StopRequest{Actor: a.config.Actor, Reason: reason}
		pool := a.databaseIfKnown(ctx)
		err = operate.Stop(ctx, c, pool, request, operate.StopOptions{DeleteRecovery: all})
		if all && pool != nil && (err == nil || errors.Is(err, operate.ErrNotRunning)) {
			a.noteHeld(ctx, pool)
		}
		if err != nil {
			return err
		}
		result := struct {
			Stopped         bool `json:"stopped"`
			RecoveryDeleted bool `json:"recoveryDeleted"`
		}{true, all}
		return a.result(result, func(w io.Writer) {
			_, _ = fmt.Fprintln(w, "dispatcher stopped")
			if all {
				_, _ = fmt.Fprintln(w, "recovery schedule deleted; starter start creates it again")
			}
		})
	})
}

// noteHeld says what is left to itself now that recovery has ended.
func (a *app) noteHeld(ctx context.Context, pool *pgxpool.Pool) {
	if i, err := catalog.ReadInstallation(ctx, pool); err == nil && i.Running > 0 {
		a.note(fmt.Sprintf("note: %s, and without recovery one whose end nobody reports goes on holding it; starter start starts recovery again",
			plural(i.Running, "execution still holds a slot", "executions still hold slots")))
	}
}

func (a *app) configureCommand() *cobra.Command {
	var tunables tunableFlags
	command := &cobra.Command{
		Use: "configure", Short: "Change the running dispatcher's tunables", Args: exactly(),
		Long:    "Change tunables of the running dispatcher, from its next cycle on. What is not given stays.",
		Example: "  starter configure --batch-size 256 --poll-interval 500ms",
	}
	tunables.add(command)
	command.MarkFlagsOneRequired("batch-size", "poll-interval", "spin", "parallelism", "start-attempts", "start-backoff", "start-max-backoff", "start-jitter")
	return a.does(command, func(ctx context.Context, _ []string) error {
		c, err := a.client(ctx)
		if err != nil {
			return err
		}
		request := tunables.request(command)
		request.Actor = a.config.Actor
		all, err := operate.Configure(ctx, c, a.databaseIfKnown(ctx), request)
		if err != nil {
			return err
		}
		return a.result(told(all), func(w io.Writer) { _, _ = fmt.Fprintln(w, "dispatcher configured: "+tunablesText(all[0].Tunables)) })
	})
}

// tunableFlags are the dispatcher's tunables as flags.
type tunableFlags struct {
	batchSize, parallelism, startAttempts, startJitter int
	pollInterval, spin, startBackoff, startMaxBackoff  time.Duration
}

func (f *tunableFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.IntVar(&f.batchSize, "batch-size", workflows.DefaultBatchSize, "the most that one cycle claims")
	flags.DurationVar(&f.pollInterval, "poll-interval", time.Duration(workflows.DefaultPollInterval), "how often a waiting dispatcher looks although it was not notified")
	flags.DurationVar(&f.spin, "spin", time.Duration(workflows.DefaultSpin), "how long it looks for more work before it begins to wait")
	flags.IntVar(&f.parallelism, "parallelism", workflows.DefaultParallelism, "how many starts are in flight at once")
	flags.IntVar(&f.startAttempts, "start-attempts", workflows.DefaultStartAttempts, "how many starts of an item may fail before it ends FAILED")
	flags.DurationVar(&f.startBackoff, "start-backoff", time.Duration(workflows.DefaultStartBackoff), "the wait after the first failed start; it doubles each time")
	flags.DurationVar(&f.startMaxBackoff, "start-max-backoff", time.Duration(workflows.DefaultStartMaxBackoff), "the longest wait after a failed start")
	flags.IntVar(&f.startJitter, "start-jitter", workflows.DefaultStartJitter, "spread these waits by so many `percent` to both sides")
}

// request holds what was given, and nothing else.
func (f *tunableFlags) request(command *cobra.Command) workflows.ConfigureRequest {
	given := command.Flags().Changed
	return workflows.ConfigureRequest{
		BatchSize:       number(given("batch-size"), f.batchSize),
		PollInterval:    duration(given("poll-interval"), f.pollInterval),
		Spin:            duration(given("spin"), f.spin),
		Parallelism:     number(given("parallelism"), f.parallelism),
		StartAttempts:   number(given("start-attempts"), f.startAttempts),
		StartBackoff:    duration(given("start-backoff"), f.startBackoff),
		StartMaxBackoff: duration(given("start-max-backoff"), f.startMaxBackoff),
		StartJitter:     number(given("start-jitter"), f.startJitter),
	}
}

func number(given bool, n int) *int {
	if !given {
		return nil
	}
	return &n
}

func duration(given bool, d time.Duration) *workflows.Duration {
	if !given {
		return nil
	}
	in := workflows.Duration(d)
	return &in
}

// initial is what a new dispatcher begins with: what was not given is left to its defaults.
func (f *tunableFlags) initial(command *cobra.Command) workflows.Tunables {
	return workflows.Tunables{}.Changed(f.request(command))
}

func tunablesText(t workflows.Tunables) string {
	return fmt.Sprintf("batch size %d, poll interval %s, spin %s, parallelism %d, %d start attempts with a backoff of %s to %s ± %d %%",
		t.BatchSize, time.Duration(t.PollInterval), time.Duration(t.Spin), t.Parallelism,
		t.StartRetry.Attempts, time.Duration(t.StartRetry.Backoff), time.Duration(t.StartRetry.MaxBackoff), t.StartRetry.Jitter)
}
