// Command chaos breaks a running Sluice in every way we know, and counts what it promised and did not keep.
//
//	go run ./internal/chaos --seed 1 --duration 5m
//
// What it is made of:
//
//	plan/      which fault comes when, from a seed
//	cluster/   PostgreSQL, Temporal and workers, with the ways to hurt them
//	ledger/    what was asked and answered, remembered outside of the system, and its judgement
//	load.go, enqueue.go       clients of every kind, over many workspaces with small limits
//	inject*.go what each kind of fault does, and to what: processes, connections, claims, limits, executions, clients
//	forged/    calls that are not Temporal's, and what they must be answered with
//	counts/    what the workers count, over all their lives
//	parts/     which part a fault acts on, one at a time
//	weather/   which parts are away, and since when they are back
//	recovery.go               how long it takes until it is got over
//	judge.go, replay.go       the end: audit, ledger, replay of the histories
//	progress/  whether anything waited beside a free slot meanwhile
//	report.go  the outcome in Markdown
//
// The plan of faults is the same for the same seed. What they hit, and what the load looks like at that moment, is not:
// real processes and a real network have no seed.
//
// A violation is a broken promise, whatever broke it: an item lost or started twice, a workspace above its limit, a claim
// after the commit of a cut or a pause, a slot held for nothing, a recovery that has not come 60 s after all parts are back, a history
// that does not replay, a worker that ended by itself. There are no warnings: what is not judged is not looked at.
//
// It must not be needed by anything outside: it imports the system, never the other way round.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/chaos/plan"
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

// options is what a run can be told.
type options struct {
	seed     uint64
	duration time.Duration
	workers  int
	rate     float64
	dir      string
	keep     bool
	kinds    []plan.Kind
	faults   []plan.Fault // what follows from the above
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

const description = `Break a running Sluice in every way we know, and count what it promised and did not keep.

It starts PostgreSQL, Temporal and worker processes, puts a mixed load on them, injects faults from a seed, lets
everything come to rest, and judges it from the outside. Standard output gets a report in Markdown; the exit code is 1
when there is any violation.`

func newCommand(run func(ctx context.Context, o options, stdout, stderr io.Writer) error) *cobra.Command {
	var o options
	var kinds string
	var onlyPlan bool
	cmd := &cobra.Command{
		Use: "chaos", Short: "Break a running Sluice and count what it promised and did not keep", Long: description,
		Args:          func(cmd *cobra.Command, args []string) error { return asUsage(cobra.NoArgs(cmd, args)) },
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.kinds, err = plan.ParseKinds(kinds); err != nil {
				return usageError{fmt.Errorf("--kinds: %w", err)}
			}
			if err := o.validate(); err != nil {
				return usageError{err}
			}
			o.faults = plan.Make(o.seed, o.duration, o.kinds)
			if onlyPlan {
				for _, f := range o.faults {
					fmt.Fprintln(cmd.OutOrStdout(), f)
				}
				return nil
			}
			return run(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "the same seed gives the same plan of faults")
	f.DurationVar(&o.duration, "duration", 5*time.Minute, "how long to inject faults; coming to rest and judging come on top")
	f.IntVar(&o.workers, "workers", 3, "worker processes")
	f.Float64Var(&o.rate, "rate", 8, "executions to enqueue per second")
	f.StringVar(&o.dir, "dir", "", "for data and logs; a temporary directory by default")
	f.BoolVar(&o.keep, "keep", false, "keep the temporary directory although nothing was found")
	f.BoolVar(&onlyPlan, "plan", false, "print the plan of faults and exit")
	f.StringVar(&kinds, "kinds", "", "inject only these kinds of fault, separated by commas")
	return cmd
}

func (o options) validate() error {
	var problems []error
	if o.duration <= 0 {
		problems = append(problems, fmt.Errorf("--duration must be positive, not %s", o.duration))
	}
	if o.workers < 2 {
		problems = append(problems, fmt.Errorf("--workers must be at least 2, so that one can take over from another, not %d", o.workers))
	}
	if o.rate <= 0 {
		problems = append(problems, fmt.Errorf("--rate must be positive, not %g", o.rate))
	}
	return errors.Join(problems...)
}

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}
