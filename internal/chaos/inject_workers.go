package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/internal/chaos/cluster"
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
	for deadline := time.Now().Add(claimPatience); time.Now().Before(deadline); {
		for n := range all {
			w := all[(f.Choice+uint64(n))%uint64(len(all))]
			if release, ok := c.claims.try(partWorker(w)); ok {
				return w, release, nil
			}
		}
		if err := cluster.Sleep(ctx, claimLook); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("no worker has been free for %s", claimPatience)
}

// dispatchersWorker takes the one that a shard's dispatcher works in: that of its last workflow task, or of its wait if it waits.
func (c *chaos) dispatchersWorker(ctx context.Context, f plan.Fault) (*cluster.Worker, func(), error) {
	last := errors.New("no worker was looked for")
	pidOf := cluster.DispatchersPID
	if f.Choice&1 == 0 {
		pidOf = cluster.HoldersPID
	}
	for deadline := time.Now().Add(claimPatience); time.Now().Before(deadline); {
		var shard int
		if shard, last = c.shard(ctx, f); last == nil {
			var w *cluster.Worker
			var release func()
			if w, release, last = c.workerOf(func() (int, error) { return pidOf(ctx, c.client, c.cluster.Namespace, shard) }); last == nil {
				return w, release, nil
			}
		}
		if err := cluster.Sleep(ctx, claimLook); err != nil {
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
		if release, ok := c.claims.try(partWorker(w)); ok {
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
			release, ok := c.claims.try(partWorker(w))
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
