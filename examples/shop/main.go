// Command shop is an application on Sluice: it sells to customers who each get what their plan allows, two orders at a time,
// however many they place. An order and its item in the queue are written in one transaction, and a workflow type of the
// shop's own ships it.
//
// It is a worker as well: beside it run only the servers and the dispatcher. In one terminal, at the root of the repository:
//
//	go run ./worker --dev --servers-only
//
// That prints where PostgreSQL and Temporal are. In another terminal, with the addresses it has printed:
//
//	export DATABASE_URL='postgres://postgres@127.0.0.1:54329/sluice?sslmode=disable'
//	export TEMPORAL_ADDRESS=127.0.0.1:7233
//	go run ./examples/shop
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"sluice/worker/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	options, err := envconfig.LoadDefaultClientOptions() // TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and so on
	if err == nil {
		err = run(ctx, os.Getenv("DATABASE_URL"), options, os.Stdout)
	}
	if err != nil && ctx.Err() == nil { // after a signal, an error says only that the shop has closed early
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run sells until everything is sold, or ctx ends. Then it stops the workers in order.
func run(ctx context.Context, databaseURL string, options client.Options, out io.Writer) error {
	if databaseURL == "" {
		return errors.New("set DATABASE_URL to the database that the worker has printed")
	}
	pool, err := pgxpool.New(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()

	polls := host.NewPolls() // lets workers stop without losing a task
	polls.Install(&options)
	host.Install(&options)
	// The SDK logs each worker that starts and stops. Warnings are enough.
	options.Logger = log.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	temporal, err := client.DialContext(ctx, options)
	if err != nil {
		return err
	}
	defer temporal.Close()

	workers, err := host.New(host.Config{
		Client: temporal, Polls: polls, Pool: pool,
		RegisterWorkflows: func(r worker.WorkflowRegistry) { r.RegisterWorkflow(Ship) },
	})
	if err != nil {
		return err
	}
	s, err := open(ctx, pool)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return workers.Run(ctx) })
	group.Go(func() error {
		defer stop()
		return s.sell(ctx, out)
	})
	return group.Wait()
}
