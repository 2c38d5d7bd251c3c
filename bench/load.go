package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"sluice/workflows"
)

const aboutLoad = `A process that knows nothing yet begins to dispatch for 100,000 workspaces with five items each: how long it takes until
the first plan is there, what it holds in memory then and after the cycles that follow (the larger counts), and what a cycle of the default
batch takes: to plan, to claim and to hand over. Nothing ends, so each cycle finds other workspaces first in turn.`

func load(ctx context.Context, b *bench) ([]figure, error) {
	workspaces := pick(b.scale, 500, 5000, 100_000)
	d, err := b.newDatabase(ctx, workspaces, 5)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := errors.Join(d.fill(ctx, 5*workspaces), d.settle(ctx)); err != nil {
		return nil, err
	}
	const batch = workflows.DefaultBatchSize
	before := heap()
	began := time.Now()
	c, err := newCycler(ctx, d, batch)
	if err != nil {
		return nil, err
	}
	loaded := time.Since(began)
	held := heap()
	var took []steps
	for range pick(b.scale, 3, 10, 100) {
		executions, s, err := c.cycle(ctx, batch)
		if err == nil && len(executions) != batch {
			err = fmt.Errorf("%d of %d claimed", len(executions), batch)
		}
		if err != nil {
			return nil, err
		}
		took = append(took, s)
	}
	held = max(held, heap())
	runtime.KeepAlive(c)
	return append([]figure{
		{"memory", "MB", float64(max(held-before, 0)) / 1e6}, {"time", "s", loaded.Seconds()},
		{"cycle.ms", "ms", milliseconds(mean(took, steps.admission))},
	}, stepFigures("cycle", took)...), nil
}

// heap is how many bytes are in use once what is not has been collected.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools hold is given up at the second time
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
