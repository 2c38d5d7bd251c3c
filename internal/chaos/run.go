package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"sluice/admin"
	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/plan"
	"sluice/internal/chaos/weather"
	"sluice/internal/operate"
	"sluice/workflows"
)

const (
	// restPatience is how long what has been enqueued may take to end once nothing disturbs it any more.
	restPatience  = 3 * time.Minute
	startPatience = 10 * time.Minute // a first start downloads and compiles
)

// run is one chaos run: it returns errViolations when it has found any, or why it could not be made.
func run(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	dir, remove, err := runDir(o)
	if err != nil {
		return err
	}
	c := &chaos{options: o, ledger: ledger.New(), weather: weather.New(), stderr: stderr, skipped: map[string]int{}}
	c.say("data and logs are in %s", dir)
	defer func() {
		if err == nil {
			err = remove()
		} else if !errors.Is(err, errViolations) {
			c.say("see the logs in %s", dir)
		}
	}()
	endpoint, stopEndpoint, err := serveEndpoint()
	if err != nil {
		return err
	}
	defer stopEndpoint()
	starting, started := context.WithTimeout(ctx, startPatience)
	defer started()
	c.cluster, err = cluster.Start(starting, cluster.Config{Dir: dir, Workers: o.workers, Progress: c.say})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.cluster.Close()) }()
	if err := c.open(starting, endpoint); err != nil {
		return err
	}
	defer c.disconnect()
	stopOwn, err := serveOwn(c.client)
	if err != nil {
		return err
	}
	defer stopOwn()

	peak, err := c.stir(ctx)
	if err != nil {
		return err
	}
	summary, err := c.judge(ctx)
	if err != nil {
		return err
	}
	summary.peak = peak
	c.report(stdout, summary)
	if len(c.violations) > 0 {
		c.say("violations: data and logs are kept in %s", dir)
		return errViolations
	}
	return nil
}

// runDir is the directory of the run and how to remove it when nothing was found.
func runDir(o options) (dir string, remove func() error, err error) {
	if o.dir != "" {
		return o.dir, func() error { return nil }, os.MkdirAll(o.dir, 0o755)
	}
	if dir, err = os.MkdirTemp("", "sluice-chaos-"); err != nil {
		return "", nil, fmt.Errorf("make a directory for the run: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL may run as another user
		return "", nil, err
	}
	return dir, func() error {
		if o.keep {
			return nil
		}
		return os.RemoveAll(dir)
	}, nil
}

// open connects, starts the dispatcher and makes the cast.
func (c *chaos) open(ctx context.Context, endpoint string) (err error) {
	if err := c.connect(ctx); err != nil {
		return err
	}
	if _, err := operate.Start(ctx, c.client, c.cluster.Namespace, c.pool, workflows.State{}); err != nil {
		return err
	}
	if c.cast, err = makeCast(ctx, c.office, endpoint); err != nil {
		return err
	}
	if slices.ContainsFunc(c.faults, func(f plan.Fault) bool { return f.Kind == plan.PoisonedRows }) {
		return c.preparePoison(ctx) // now, as it needs locks that nobody else has
	}
	return nil
}

// stir puts on the load and injects the faults, and returns when everything is whole again and has come to rest.
func (c *chaos) stir(ctx context.Context) (peak int64, err error) {
	c.began = time.Now()
	c.say("%d faults in %s, seed %d, %d workers, %g executions/s", len(c.faults), c.duration, c.seed, c.workers, c.rate)
	l := &load{chaos: c, random: rand.New(rand.NewPCG(c.seed, 0x6c6f6164))}
	watching, watched := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	watchers.Go(func() { l.watch(watching) })
	watchers.Go(func() { c.keepAlive(watching) })
	watchers.Go(func() { c.keepTemporal(watching) })
	watchers.Go(func() { c.keepCount(watching) })
	defer watchers.Wait()
	defer watched()

	storm, calm := context.WithTimeout(ctx, c.duration)
	defer calm()
	var both sync.WaitGroup
	both.Go(func() { l.run(ctx, storm, c.rate) })
	both.Go(func() { c.injectAll(ctx, storm) })
	both.Wait()
	c.say("no more load and no more faults; waiting for clients and recoveries")
	c.background.Wait() // faults end by themselves, and bring their parts back
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err := c.heal(ctx); err != nil {
		return 0, err
	}
	return l.peak.Load(), c.rest(ctx)
}

// heal leaves nothing broken, and finds out whether the dispatchers are still there.
func (c *chaos) heal(ctx context.Context) error {
	for n := range plans {
		limit := planLimit(n)
		if _, err := c.office.SetTier(ctx, planName(n), admin.TierChange{MaxConcurrentWorkflows: &limit}, actor); err != nil {
			return err
		}
	}
	for _, w := range c.cluster.Workers {
		w.Postgres.Heal()
		w.Temporal.Heal()
		w.Callbacks.Heal()
	}
	all, err := operate.StartAll(ctx, c.client, c.cluster.Namespace, c.pool, operate.StartOptions{Actor: actor})
	for _, started := range all.Dispatchers {
		if !started.AlreadyRunning {
			c.violated(promiseLives, partDispatcher, "%s was gone at the end; the last one that was there: see the histories", started.WorkflowID)
		}
	}
	return errors.Join(err, c.resume(ctx))
}

// rest waits until everything that was enqueued has ended. What has not is judged.
func (c *chaos) rest(ctx context.Context) error {
	deadline := time.Now().Add(restPatience)
	for {
		var waiting, open int
		if err := c.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM sluice.pending), (SELECT count(*) FROM sluice.running)`).Scan(&waiting, &open); err != nil {
			return fmt.Errorf("wait for rest: %w", err)
		}
		if waiting+open == 0 {
			c.say("everything has ended")
			return nil
		}
		if time.Now().After(deadline) {
			c.say("not everything has ended within %s: %d wait, %d hold a slot", restPatience, waiting, open)
			return nil
		}
		if err := cluster.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}
