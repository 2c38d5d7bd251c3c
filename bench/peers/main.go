package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// options is what the command can be told.
type options struct {
	scale  scale
	repeat int
	server string
}

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // so a second signal ends the process at once; its server follows
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	o := options{scale: small}
	cmd := &cobra.Command{
		Use: "peers", Short: "Put Sluice's admission engine beside other queues on Postgres", Args: cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.repeat < 1 {
				return fmt.Errorf("--repeat must be at least 1, not %d", o.repeat)
			}
			return execute(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.Var(&o.scale, "scale", "small (does it work?) or full (the figures)")
	f.IntVar(&o.repeat, "repeat", 3, "how many rounds; the median counts")
	f.StringVar(&o.server, "postgres", "", "URL of a PostgreSQL server in which databases may be created; one with defaults is started otherwise")
	return cmd
}

// scale is how large a run is.
type scale string

const (
	small scale = "small"
	full  scale = "full"
)

// size is the work of a run.
type size struct{ workspaces, each, limit int }

var sizes = map[scale]size{
	small: {workspaces: 100, each: 20, limit: 10},
	full:  {workspaces: 1000, each: 30, limit: 10},
}

func (s scale) size() size { return sizes[s] }

func (s scale) String() string { return string(s) }

// Set and Type make it a flag.
func (s *scale) Set(name string) error {
	if _, known := sizes[scale(name)]; !known {
		return fmt.Errorf("it is small or full, not %q", name)
	}
	*s = scale(name)
	return nil
}

func (*scale) Type() string { return "scale" }
