package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"sluice/internal/estimate/keep"
	"sluice/internal/operate"
	"sluice/internal/store/catalog"
	"sluice/internal/web/access"
	"sluice/worker/host"
	"sluice/workflows"
)

// run is the worker: it returns when ctx has ended and everything has been stopped in order, or with what went wrong.
func run(ctx context.Context, c config, stdout, stderr io.Writer) (failed error) {
	if c.dev {
		followGoRun()
	}
	screen := newScreen(stdout, stderr, c.demo && isTerminal(stdout))
	log := newLogger(screen.logs(), c.logFormat, c.logLevel, isTerminal(stderr))
	notice := context.AfterFunc(ctx, func() { log.Info("shutting down; a second signal exits at once") })
	defer notice()
	limitMemory(log)

	m, err := newMetrics()
	if err != nil {
		return err
	}
	defer m.close()
	h := health{metrics: m.page(), guard: access.New(access.Config{Hosts: hostsOf(c)})}
	at, stopHTTP, err := serveHTTP(c.http, &h, log)
	if err != nil {
		return err
	}
	defer stopHTTP()

	s, err := openServers(ctx, c, m.handler(), log)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to end while it was still starting
		}
		return err
	}
	defer s.close(log)
	stopAPI, err := serveAPI(ctx, c, s, at, &h, log)
	if err != nil {
		return err
	}
	defer stopAPI()
	defer m.showLevels(s.pool, log)()
	ctx, end := context.WithCancel(ctx)
	defer end()
	stopped, err := serveGateway(ctx, end, c, s, m.handler(), log)
	if err != nil {
		return err
	}
	defer func() {
		end()
		failed = errors.Join(failed, stopped())
	}()
	screen.printf("postgres: %s\ntemporal: %s\n", s.postgresURL, s.temporalAddress)
	if s.uiURL != "" {
		screen.printf("ui: %s\n", s.uiURL)
	}
	stopPages, err := h.pages.serve(ctx, s, screen, log)
	if err != nil {
		return err
	}
	defer stopPages()
	if c.serversOnly {
		return keepServers(ctx, s, &h, screen, log)
	}
	p := &process{config: c, servers: s, health: &h, counts: m.handler(), gauges: newAuditGauges(m.registry), screen: screen, log: log}
	return p.serve(ctx)
}

// process is a worker whose servers are there.
type process struct {
	config
	servers  *servers
	health   *health
	counts   client.MetricsHandler
	gauges   *auditGauges
	screen   *screen
	log      *slog.Logger
	workers  *host.Host
	endpoint string // what http nodes of the demo call
}

// serve hosts the workers, starts the dispatcher where that is our task, audits, and runs the demo.
func (p *process) serve(ctx context.Context) error {
	s := p.servers
	settings := host.Config{
		Client: s.temporal, Polls: s.polls, Pool: s.pool, Logger: p.log, PollBudget: p.pollBudget, IdleTimeout: p.workspaceIdle,
		WithoutWorkspaces: p.withoutWorkspaces, ShutdownTimeout: p.shutdownTimeout,
		ExternalConcurrency: p.externalConcurrency, ExternalTaskQueuePerSecond: p.externalPerSecond,
		AllowPrivateAddresses: p.allowPrivate, SecretsDir: p.secretsDir, Metrics: p.counts,
	}
	if p.dev || p.demo { // --dev too: it may find executions that an earlier --demo left open
		settings.RegisterWorkflows = func(r worker.WorkflowRegistry) { registerDemoWorkflows(r) }
		endpoint, stop, err := serveDemoEndpoint(p.demo, p.log)
		if err != nil {
			return err
		}
		defer stop() // after the workers: what they finish may call it
		stopApplication, err := serveDemoApplication(s.temporal)
		if err != nil {
			return err
		}
		defer stopApplication()
		if endpoint.IsValid() {
			p.endpoint = "http://" + endpoint.String()
			settings.AllowAddresses = []netip.AddrPort{endpoint}
		}
	}
	listener, callbackURL, err := listenForCallbacks(p.config, p.log)
	if err != nil {
		return err
	}
	settings.CallbackURL = callbackURL
	if p.workers, err = host.New(settings); err != nil {
		return err
	}
	defer serveCallbacks(listener, p.workers.Callbacks(), p.log)()
	ctx, end := context.WithCancel(ctx)
	defer end()
	if p.auditInterval > 0 {
		a := &auditor{pool: s.pool, temporal: s.temporal, interval: p.auditInterval, grace: operate.DefaultGrace, log: p.log, gauges: p.gauges}
		var audits sync.WaitGroup
		audits.Go(func() { a.run(ctx) })
		defer audits.Wait() // its connection goes back to the pool before that is closed
		defer end()
	}
	var estimating sync.WaitGroup
	estimating.Go(func() { keep.New(s.pool, p.log).Run(ctx) })
	defer estimating.Wait() // as the audit
	defer end()
	hosted, led := make(chan error, 1), make(chan error, 1)
	go func() { hosted <- p.workers.Run(ctx) }()
	go func() { led <- p.lead(ctx) }()

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
func (p *process) lead(ctx context.Context) error {
	checks := maps.Clone(p.servers.checks())
	checks["workers"] = func(context.Context) error { return p.workers.Ready() }
	missing := func(ctx context.Context) map[string]string { return checkAll(ctx, checks) }
	p.health.missing.Store(&missing)

	if err := waitFor(ctx, p.workers.Ready); err != nil {
		return err
	}
	if p.dev || p.demo {
		if err := p.startDispatchers(ctx); err != nil {
			return err
		}
	}
	p.screen.printf("ready\n")
	if !p.dev && !p.demo {
		p.warnOfMissing(ctx)
	}
	if !p.demo {
		return nil
	}
	demo := newDemo(p.servers, p.screen)
	demo.dashboard = p.health.pages.url()
	if err := demo.run(ctx, p.endpoint); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

func (p *process) startDispatchers(ctx context.Context) error {
	s := p.servers
	all, err := operate.StartAll(ctx, s.temporal, s.namespace, s.pool, operate.StartOptions{Actor: "worker"})
	if err != nil {
		return fmt.Errorf("start the dispatcher: %w", err)
	}
	for _, started := range all.Dispatchers {
		// It may have been started, and stopped answering, long before us: an answer is what counts.
		if _, err := operate.StatusOf(ctx, s.temporal, started.Shard); err != nil {
			return fmt.Errorf("ask %s: %w", started.WorkflowID, err)
		}
		p.log.Info("dispatcher runs", "workflow", started.WorkflowID, "run", started.RunID, "foundRunning", started.AlreadyRunning)
	}
	return nil
}

// warnOfMissing says of each shard whose dispatcher does not run, because that may be meant.
func (p *process) warnOfMissing(ctx context.Context) {
	shards, err := catalog.Shards(ctx, p.servers.pool)
	if err != nil {
		return // /readyz tells
	}
	for shard := range shards {
		if _, err := operate.StatusOf(ctx, p.servers.temporal, shard); errors.Is(err, operate.ErrNotRunning) {
			p.log.Warn(err.Error(), "workflow", workflows.ShardID(shard))
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
