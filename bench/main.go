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

// errMissed says that the run was made and a gate was missed; the report tells which.
var errMissed = errors.New("gates were missed")

// options is what a run can be told.
type options struct {
	scale  scale
	only   []string
	repeat int
	svg    string
	server string
}

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // so a second signal ends the process at once; its servers follow
	err := newCommand().ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errMissed) {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if err != nil {
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	o := options{scale: small}
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure what Sluice costs, and hold the figures against gates", Args: cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := choose(o.only)
			if err != nil {
				return err
			}
			if o.repeat < 1 {
				return fmt.Errorf("--repeat must be at least 1, not %d", o.repeat)
			}
			return execute(cmd.Context(), o, chosen, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.AddCommand(newOutsideCommand())
	f := cmd.Flags()
	f.Var(&o.scale, "scale", "small (does it work?) or full (the figures, judged by the gates)")
	f.StringSliceVar(&o.only, "only", nil, "run only these scenarios, separated by commas")
	f.IntVar(&o.repeat, "repeat", 3, "how often to run each scenario; the median counts")
	f.StringVar(&o.svg, "svg", "", "also draw the figures against their gates into this file")
	f.StringVar(&o.server, "postgres", "", "URL of a PostgreSQL server that scenarios without Temporal may create databases in; one with defaults is started otherwise")
	return cmd
}

// scale is how large a run is.
type scale int

const (
	tiny  scale = iota // for go test
	small              // seconds for each scenario
	full               // what the gates are for
)

var scaleNames = []string{"tiny", "small", "full"}

func (s scale) String() string { return scaleNames[s] }

// Set and Type make it a flag.
func (s *scale) Set(name string) error {
	for i, known := range scaleNames[small:] {
		if name == known {
			*s = small + scale(i)
			return nil
		}
	}
	return fmt.Errorf("it is small or full, not %q", name)
}

func (*scale) Type() string { return "scale" }

// pick chooses a size by the scale.
func pick[T any](s scale, forTiny, forSmall, forFull T) T {
	return []T{forTiny, forSmall, forFull}[s]
}
