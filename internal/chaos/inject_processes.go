package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/parts"
	"sluice/internal/chaos/plan"
)

// onWorker chooses a worker that no other fault acts on, and hurts it. hurt releases it when it is whole again.
func (c *chaos) onWorker(choose func(context.Context, plan.Fault) (*cluster.Worker, func(), error),
	hurt func(ctx context.Context, f plan.Fault, w *cluster.Worker, release func()) (aftermath, error)) injector {
	return func(ctx context.Context, f plan.Fault) (aftermath, error) {
		w, release, err := choose(ctx, f)
		if err != nil {
			return aftermath{}, err
		}
		a, err := hurt(ctx, f, w, release)
		a.target = partWorker(w)
		return a, err
	}
}

// anyWorker takes one of those that are free.
func (c *chaos) anyWorker(ctx context.Context, f plan.Fault) (*cluster.Worker, func(), error) {
	all := c.cluster.Workers
	for deadline := time.Now().Add(parts.Patience); time.Now().Before(deadline); {
		for n := range all {
			w := all[(f.Choice+uint64(n))%uint64(len(all))]
			if release, ok := c.claims.Try(partWorker(w)); ok {
				return w, release, nil
			}
		}
		if err := cluster.Sleep(ctx, parts.Look); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("no worker has been free for %s", parts.Patience)
}

// dispatchersWorker takes the one that a shard's dispatcher works in: that of its last workflow task, or of its wait if it waits.
func (c *chaos) dispatchersWorker(ctx context.Context, f plan.Fault) (*cluster.Worker, func(), error) {
	last := errors.New("no worker was looked for")
	pidOf := cluster.DispatchersPID
	if f.Choice&1 == 0 {
		pidOf = cluster.HoldersPID
	}
	for deadline := time.Now().Add(parts.Patience); time.Now().Before(deadline); {
		var shard int
		if shard, last = c.shard(ctx, f); last == nil {
			var w *cluster.Worker
			var release func()
			if w, release, last = c.workerOf(func() (int, error) { return pidOf(ctx, c.client, c.cluster.Namespace, shard) }); last == nil {
				return w, release, nil
			}
		}
		if err := cluster.Sleep(ctx, parts.Look); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("the dispatcher's worker: %w", last)
}

// shard is one of those there are, by a fault's choice.
func (c *chaos) shard(ctx context.Context, f plan.Fault) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	n, err := c.office.Shards(ctx)
	if err != nil {
		return 0, err
	}
	return int(f.Choice >> 1 % uint64(n)), nil
}

// workerOf takes the worker of a process, if it is free.
func (c *chaos) workerOf(pidOf func() (int, error)) (*cluster.Worker, func(), error) {
	pid, err := pidOf()
	if err != nil {
		return nil, nil, err
	}
	for _, w := range c.cluster.Workers {
		if w.PID() != pid {
			continue
		}
		if release, ok := c.claims.Try(partWorker(w)); ok {
			return w, release, nil
		}
	}
	return nil, nil, fmt.Errorf("pid %d is no free worker's", pid)
}

// killWorker measures from the kill: others take over.
func (c *chaos) killWorker(ctx context.Context, f plan.Fault, w *cluster.Worker, release func()) (aftermath, error) {
	heal := c.weather.Breaks(f.Number)
	w.Kill()
	a := aftermath{since: time.Now()}
	c.background.Go(func() {
		defer release()
		defer heal()
		_ = cluster.Sleep(ctx, f.For)
		c.startWorker(ctx, w, heal)
	})
	return a, nil
}

// stopWorker measures from the signal: others take over while it drains.
func (c *chaos) stopWorker(ctx context.Context, f plan.Fault, w *cluster.Worker, release func()) (aftermath, error) {
	heal := c.weather.Breaks(f.Number)
	a := aftermath{since: time.Now()}
	c.background.Go(func() {
		defer release()
		defer heal()
		if err := w.Stop(); err != nil {
			c.violated(promiseLives, partWorker(w), "%v", err)
		}
		_ = cluster.Sleep(ctx, f.For)
		c.startWorker(ctx, w, heal)
	})
	return a, nil
}

// startWorker calls started when the process runs, and returns when it is ready.
func (c *chaos) startWorker(ctx context.Context, w *cluster.Worker, started func()) {
	if ctx.Err() != nil {
		return
	}
	if err := w.Start(); err != nil {
		c.violated(promiseLives, partWorker(w), "%v", err)
		return
	}
	started()
	ready, cancel := context.WithTimeout(ctx, recoveryLimit)
	defer cancel()
	if err := w.AwaitReady(ready); err != nil && ctx.Err() == nil {
		c.say("%v", err) // servers may be away meanwhile; one that has died is noticed by keepAlive
	}
}

// freezeWorker measures from the moment it goes on.
func (c *chaos) freezeWorker(ctx context.Context, f plan.Fault, w *cluster.Worker, release func()) (aftermath, error) {
	defer release()
	heal := c.weather.Breaks(f.Number)
	defer heal()
	if err := w.Freeze(); err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	return aftermath{since: time.Now()}, w.Thaw()
}

func toPostgres(w *cluster.Worker) *cluster.Proxy { return w.Postgres }
func toTemporal(w *cluster.Worker) *cluster.Proxy { return w.Temporal }
func cut(p *cluster.Proxy)                        { p.Cut() }
func stall(p *cluster.Proxy)                      { p.Stall() }

// disturb does something to a worker's way to a server, and measures from its end.
func disturb(c *chaos, way func(*cluster.Worker) *cluster.Proxy, how func(*cluster.Proxy)) func(context.Context, plan.Fault, *cluster.Worker, func()) (aftermath, error) {
	return func(ctx context.Context, f plan.Fault, w *cluster.Worker, release func()) (aftermath, error) {
		defer release()
		heal := c.weather.Breaks(f.Number)
		defer heal()
		how(way(w))
		_ = cluster.Sleep(ctx, f.For)
		way(w).Heal()
		return aftermath{since: time.Now()}, nil
	}
}

// keepAlive starts workers again that have ended without having been told to, which none should.
func (c *chaos) keepAlive(ctx context.Context) {
	for cluster.Sleep(ctx, time.Second) == nil {
		for _, w := range c.cluster.Workers {
			if w.Died() == nil {
				continue
			}
			release, ok := c.claims.Try(partWorker(w))
			if !ok {
				continue
			}
			if err := w.Died(); err != nil {
				c.violated(promiseLives, partWorker(w), "%v", err)
				c.startWorker(ctx, w, func() {})
			}
			release()
		}
	}
}

// refusesAll is what each call to Temporal ends with once an interrupted statement has left its SQLite so that it refuses all others
// (temporalio/temporal#9198, in dev servers up to 1.29 at least). Only a restart ends that.
const refusesAll = "interrupted (9)"

// keepTemporal starts Temporal again when its SQLite is stuck, which is no fault of the plan's and none of Sluice's. Until then it is away.
func (c *chaos) keepTemporal(ctx context.Context) {
	for cluster.Sleep(ctx, time.Second) == nil {
		if !c.isStuck(ctx) {
			continue
		}
		heal := c.weather.Breaks(noFault)
		_ = cluster.Sleep(ctx, 2*time.Second)
		if c.isStuck(ctx) {
			c.startTemporalAgain(ctx)
		}
		heal()
	}
}

// noFault is a number that no fault of a plan has.
const noFault = -1

func (c *chaos) isStuck(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	_, err := c.client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: c.cluster.Namespace})
	return err != nil && strings.Contains(err.Error(), refusesAll)
}

func (c *chaos) startTemporalAgain(ctx context.Context) {
	release, err := c.claims.Take(ctx, partTemporal)
	if err != nil {
		return
	}
	defer release()
	c.say("Temporal's SQLite is stuck: started again")
	if err := errors.Join(c.cluster.Temporal.Kill(), c.cluster.Temporal.Start(ctx)); err != nil {
		c.violated(promiseLives, partTemporal, "%v", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restarts++
}

func (c *chaos) killTemporal(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.restart(ctx, f, partTemporal, c.cluster.Temporal, c.cluster.Temporal.Kill)
}

func (c *chaos) killPostgres(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.restart(ctx, f, partPostgres, c.cluster.Postgres, c.cluster.Postgres.Kill)
}

func (c *chaos) stopPostgres(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.restart(ctx, f, partPostgres, c.cluster.Postgres, c.cluster.Postgres.Stop)
}

// restart takes a server away for a while and measures from the moment it answers again.
func (c *chaos) restart(ctx context.Context, f plan.Fault, part string, server *cluster.Server, takeAway func() error) (aftermath, error) {
	release, err := c.claims.Take(ctx, part)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	heal := c.weather.Breaks(f.Number)
	defer heal()
	if err := takeAway(); err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	if err := server.Start(ctx); err != nil {
		c.violated(promiseLives, part, "%v", err)
		return aftermath{}, err
	}
	return aftermath{target: part, since: time.Now()}, nil
}
