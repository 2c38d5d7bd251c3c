package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"sluice/admin"
	"sluice/internal/bounds"
	"sluice/internal/connect"
	"sluice/internal/estimate/keep"
	"sluice/internal/overview"
	"sluice/internal/pairing"
	"sluice/internal/store"
	"sluice/schema"
)

// connectPatience is how long a command waits for a server: a person waits for the answer.
const connectPatience = 5 * time.Second

// app is one run of one command: its flags, its configuration and the connections it has opened.
type app struct {
	surroundings
	flags   flags
	config  config
	timeout time.Duration
	// entered tells that the command line was understood: what fails before is the user's usage.
	entered bool

	pool     *pgxpool.Pool
	temporal client.Client
}

// action is the body of a command. It runs with the configuration loaded and the timeout set.
type action func(ctx context.Context, args []string) error

// unbounded is for commands that must not be cut off; an explicit --timeout still counts.
const unbounded = "unbounded"

// does gives a command its body.
func (a *app) does(command *cobra.Command, act action) *cobra.Command {
	command.RunE = func(command *cobra.Command, args []string) error {
		a.entered = true
		ctx := command.Context()
		a.timeout = a.flags.timeout
		if a.timeout < 0 {
			return usage("--timeout must not be negative, got %s", a.timeout)
		}
		if command.Annotations[unbounded] != "" && !command.Flags().Changed("timeout") {
			a.timeout = 0
		}
		if command.Annotations[unboundedForMany] != "" && len(args) != 1 && !command.Flags().Changed("timeout") {
			a.timeout = 0
		}
		if a.timeout > 0 {
			limited, cancel := context.WithTimeout(ctx, a.timeout)
			defer cancel()
			ctx = limited
		}
		var err error
		if err := bounds.Words(a.flags.actor); err != nil {
			return usage("--actor %v", err)
		}
		if reason := command.Flags().Lookup("reason"); reason != nil {
			if err := bounds.Reason(reason.Value.String(), bounds.MaxReason); err != nil {
				return usage("--reason %v", err)
			}
		}
		if a.config, err = loadConfig(a.flags, a.env, a.user); err != nil {
			return err
		}
		return act(ctx, args)
	}
	return command
}

// database opens the database once and checks that it has the schema.
func (a *app) database(ctx context.Context) (*pgxpool.Pool, error) {
	pool, err := a.anyDatabase(ctx)
	if err != nil {
		return nil, err
	}
	if err := schema.Check(ctx, pool); err != nil {
		return nil, err
	}
	return pool, nil
}

// office is the database for commands that administer it.
func (a *app) office(ctx context.Context) (*admin.Client, error) {
	pool, err := a.database(ctx)
	if err != nil {
		return nil, err
	}
	return admin.New(pool), nil
}

// databaseIfKnown is for commands that can do without: nil says that there is no database at hand.
func (a *app) databaseIfKnown(ctx context.Context) *pgxpool.Pool {
	if a.config.DatabaseURL == "" {
		return nil
	}
	pool, err := a.database(ctx)
	if err != nil {
		a.note("note: going on without the database, and looking for all dispatchers there may be: " + err.Error())
		return nil
	}
	return pool
}

// anyDatabase opens the database once, migrated or not.
func (a *app) anyDatabase(ctx context.Context) (*pgxpool.Pool, error) {
	if a.pool != nil {
		return a.pool, nil
	}
	if a.config.DatabaseURL == "" {
		return nil, a.config.noDatabase
	}
	pool, err := connect.Postgres(ctx, a.config.DatabaseURL, a.wait(), openPool)
	if err != nil {
		return nil, err
	}
	a.pool = pool
	return pool, nil
}

func openPool(ctx context.Context, databaseURL string) (*pgxpool.Pool, error) {
	return store.OpenAs(ctx, "starter", databaseURL, 2)
}

// client connects to Temporal once, and checks that its namespace is the database's, if that is at hand.
func (a *app) client(ctx context.Context) (client.Client, error) {
	c, err := a.dial(ctx, a.wait())
	if err != nil || a.config.DatabaseURL == "" {
		return c, err
	}
	pool, err := a.database(ctx)
	if err != nil {
		return c, nil // whoever needs it says so
	}
	_, err = pairing.Verify(ctx, c, a.config.Temporal.Namespace, pool)
	return c, err
}

// overview tells how it all is. What it can do without it asks Temporal only if that is there at once.
func (a *app) overview(pool *pgxpool.Pool) overview.Source {
	return overview.Source{
		Pool: pool, Dial: a.client, Link: a.workflowLink,
		AtOnce: func(ctx context.Context) (client.Client, error) { return a.dial(ctx, connect.Wait{}) },
		Estimate: func(ctx context.Context) {
			if err := keep.Now(ctx, pool); err != nil {
				a.note("note: starts are not estimated anew: " + err.Error())
			}
		},
	}
}

func (a *app) dial(ctx context.Context, wait connect.Wait) (client.Client, error) {
	if a.temporal != nil {
		return a.temporal, nil
	}
	options := a.config.Temporal
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler)) // errors are returned; there is nothing else to say
	options.Identity = a.config.Actor
	c, err := connect.Temporal(ctx, options, wait)
	if err != nil {
		return nil, err
	}
	a.temporal = c
	return c, nil
}

func (a *app) wait() connect.Wait {
	return connect.Wait{Patience: connectPatience, Notify: a.note}
}

// note tells the user something that is not the result.
func (a *app) note(message string) {
	if !a.flags.json {
		fmt.Fprintln(a.stderr, visible(message))
	}
}

func (a *app) close() {
	if a.temporal != nil {
		a.temporal.Close()
	}
	if a.pool != nil {
		a.pool.Close()
	}
}
