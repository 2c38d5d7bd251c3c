package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"go.temporal.io/sdk/worker"

	"sluice/internal/operate"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// run is the worker: it returns when ctx has ended and everything has been stopped in order, or with what went wrong.
func run(ctx context.Context, c config, stdout, stderr io.Writer) error {
	if c.dev {
		followGoRun()
	}
	screen := newScreen(stdout, stderr, c.demo && isTerminal(stdout))
	log := newLogger(screen.logs(), c.logFormat, c.logLevel, isTerminal(stderr))
	notice := context.AfterFunc(ctx, func() { log.Info("shutting down; a second signal exits at once") })
	defer notice()

	m, err := newMetrics()
	if err != nil {
		return err
	}
	defer m.close()
	h := health{metrics: m.page()}
	stopHealth, err := serveHealth(c.health, &h, log)
	if err != nil {
		return err
	}
	defer stopHealth()

	s, err := openServers(ctx, c, m.handler(), log)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to end while it was still starting
		}
		return err
	}
	defer s.close(log)
	screen.printf("postgres: %s\ntemporal: %s\n", s.postgresURL, s.temporalAddress)
	if s.uiURL != "" {
		screen.printf("ui: %s\n", s.uiURL)
	}
	return serve(ctx, c, s, &h, newAuditGauges(m.registry), screen, log)
}

// serve hosts the workers, starts the dispatcher where that is our task, audits, and runs the demo.
func serve(ctx context.Context, c config, s *servers, h *health, gauges *auditGauges, screen *screen, log *slog.Logger) error {
	settings := host.Config{
		Client: s.temporal, Polls: s.polls, Queue: queue.New(s.pool), Logger: log, PollBudget: c.pollBudget, IdleTimeout: c.workspaceIdle,
		ExternalConcurrency: c.externalConcurrency, ExternalTaskQueuePerSecond: c.externalPerSecond,
	}
	if c.dev || c.demo { // --dev too: it may find executions that an earlier --demo left open
		settings.RegisterWorkflows = func(r worker.WorkflowRegistry) { registerDemoWorkflows(r) }
	}
	workers, err := host.New(settings)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	if c.auditInterval > 0 {
		a := &auditor{queue: settings.Queue, temporal: s.temporal, interval: c.auditInterval, grace: operate.DefaultGrace, log: log, gauges: gauges}
		var audits sync.WaitGroup
		audits.Go(func() { a.run(ctx) })
		defer audits.Wait() // its connection goes back to the pool before that is closed
		defer end()
	}
	hosted, led := make(chan error, 1), make(chan error, 1)
	go func() { hosted <- workers.Run(ctx) }()
	go func() { led <- lead(ctx, c, s, workers, h, screen, log) }()

	var failed error
	for {
		select {
		case err := <-hosted:
			end()
			if led != nil {
				<-led
			}
			return errors.Join(failed, err)
		case err := <-led:
			led = nil
			if err != nil && ctx.Err() == nil {
				failed = err
				end()
			}
		case <-s.died():
			// Nothing can be drained without the servers, so do not wait for the workers.
			return fmt.Errorf("the dev stack has died: %w", errors.Join(s.stack.Err(), failed))
		}
	}
}

// lead says ready once work is being done, having started the dispatcher with --dev and --demo; then it runs the demo.
func lead(ctx context.Context, c config, s *servers, workers *host.Host, h *health, screen *screen, log *slog.Logger) error {
	checks := maps.Clone(s.checks())
	checks["workers"] = func(context.Context) error { return workers.Ready() }
	missing := func(ctx context.Context) map[string]string { return checkAll(ctx, checks) }
	h.missing.Store(&missing)

	if err := waitFor(ctx, workers.Ready); err != nil {
		return err
	}
	if c.dev || c.demo {
		all, err := operate.StartAll(ctx, s.temporal, s.namespace, queue.New(s.pool), operate.StartOptions{Actor: "worker"})
		if err != nil {
			return fmt.Errorf("start the dispatcher: %w", err)
		}
		for _, started := range all.Dispatchers {
			// It may have been started, and stopped answering, long before us: an answer is what counts.
			if _, err := operate.StatusOf(ctx, s.temporal, started.Shard); err != nil {
				return fmt.Errorf("ask %s: %w", started.WorkflowID, err)
			}
			log.Info("dispatcher runs", "workflow", started.WorkflowID, "run", started.RunID, "foundRunning", started.AlreadyRunning)
		}
	}
	screen.printf("ready\n")
	if !c.dev && !c.demo {
		warnOfMissing(ctx, s, log)
	}
	if !c.demo {
		return nil
	}
	if err := newDemo(s, screen, log).run(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// warnOfMissing says of each shard whose dispatcher does not run, because that may be meant.
func warnOfMissing(ctx context.Context, s *servers, log *slog.Logger) {
	shards, err := queue.New(s.pool).Shards(ctx)
	if err != nil {
		return // /readyz tells
	}
	for shard := range shards {
		if _, err := operate.StatusOf(ctx, s.temporal, shard); errors.Is(err, operate.ErrNotRunning) {
			log.Warn(err.Error(), "workflow", workflows.ShardID(shard))
		}
	}
}

// waitFor returns nil as soon as ready does, or the context's error.
func waitFor(ctx context.Context, ready func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ready() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
