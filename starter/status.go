package main

import (
	"context"
	"io"
	"sync"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"sluice/internal/connect"
	"sluice/internal/pairing"
	"sluice/starter/top"
)

func (a *app) statusCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "status", Short: "Show what the dispatcher does and what each workspace waits for", Args: exactly(),
		Long: "Show the dispatcher, with several shards each of them, and all workspaces, with what has ended in the last\n" +
			"hour. When a dispatcher is not running or no worker answers for it, the rest is shown all the same and the exit code is 3; it is 4 when Temporal can't be reached.",
	}, func(ctx context.Context, _ []string) error {
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		result, unasked, err := a.overview(pool).Status(ctx)
		if err != nil {
			return err
		}
		if err := a.result(result, func(w io.Writer) { renderStatus(w, result, a.now()) }); err != nil {
			return err
		}
		if unasked != nil {
			return codeError(exitCode(unasked))
		}
		return nil
	})
}

func (a *app) topCommand() *cobra.Command {
	var once bool
	command := &cobra.Command{
		Use: "top", Short: "Watch how everything is, and pause and resume", Args: exactly(), Annotations: map[string]string{unbounded: "true"},
		Long: "Watch how everything is, live, in the terminal: the dispatchers, all workspaces, the line of one and what it runs;\n" +
			"pause and resume a workspace or everything. Press ? for the keys. A pause is in the database and holds from the\n" +
			"next claim on. It looks each second, and where that takes long more seldom: it takes a tenth of one database\n" +
			"connection's time at most. NO_COLOR is respected.",
	}
	command.Flags().BoolVar(&once, "once", false, "print how it is now, with all workspaces, and end; this needs no terminal")
	return a.does(command, func(ctx context.Context, _ []string) error {
		switch {
		case a.flags.json:
			return &usageError{message: "top is for people", hint: "starter status --json has the same figures"}
		case !once && !(top.OnTerminal(a.stdin) && top.OnTerminal(a.stdout)):
			return &usageError{message: "top needs a terminal, and stdin or stdout is none", hint: "top --once prints one frame"}
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		c := top.Config{Pool: pool, Dial: a.atOnce(), Actor: a.config.Actor}
		t := top.Terminal{In: a.stdin, Out: a.stdout, Env: a.env.Environ()}
		if once {
			return top.Once(ctx, c, t)
		}
		return top.Run(ctx, c, t)
	})
}

// atOnce connects to Temporal for those who may ask at the same time and again later. It waits for nothing, and says nothing.
func (a *app) atOnce() func(context.Context) (client.Client, error) {
	var one sync.Mutex
	var verified bool
	return func(ctx context.Context) (client.Client, error) {
		one.Lock()
		defer one.Unlock()
		c, err := a.dial(ctx, connect.Wait{})
		if err != nil || verified {
			return c, err
		}
		if _, err := pairing.Verify(ctx, c, a.config.Temporal.Namespace, a.pool); err != nil {
			return nil, err
		}
		verified = true
		return c, nil
	}
}
