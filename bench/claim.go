package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/workflows"
)

const aboutClaim = `What it costs on Postgres alone to admit 100 executions: to plan, to claim and to hand over. Two databases
with the same workspaces take turns, cycle by cycle: one with a shallow backlog and one with a deep one. What a cycle takes ends, and as much
is enqueued again, so that the depth stays. There are as many cycles as it takes to read all lines ahead once, and means count, from the first cycle
of a process that knows nothing; first is the first tenth of them. Then the deep one goes on for a while under a transaction whose snapshot is
as old as that, which keeps every dead row. For the last sixth of that time they take turns again: the snapshot's figure is how many
times the cost of the shallow one the deep one's is then, of how many it was before. The plans are those of one cycle of
a process that knows nothing yet, in the deep backlog, as auto_explain shows them.`

const (
	claimBatch = 100
	claimLimit = 10
)

// backlog is a dispatcher whose database is kept at its depth.
type backlog struct {
	*cycler
	took []steps
}

func claim(ctx context.Context, b *bench) (figures []figure, err error) {
	workspaces, few := pick(b.scale, 200, 1000, 10_000), pick(b.scale, 1000, 10_000, 10_000)
	shallow, err := b.newBacklog(ctx, workspaces, few)
	if err != nil {
		return nil, err
	}
	defer shallow.database.close()
	deep, err := b.newBacklog(ctx, workspaces, pick(b.scale, 5000, 100_000, 10_000_000))
	if err != nil {
		return nil, err
	}
	defer deep.database.close()
	admit := func(one *backlog) func() error { return func() error { return one.admit(ctx) } }
	both := func(turns int) error { return inTurn(turns, admit(shallow), admit(deep)) }

	// Lines are read as far ahead as a workspace may run executions.
	rounds := workspaces / claimBatch
	if err := both(rounds); err != nil {
		return nil, err
	}
	first := deep.admission(shallow)
	if err := both((claimLimit - 1) * rounds); err != nil {
		return nil, err
	}
	depth := deep.admission(shallow)
	figures = append(figures, figure{"deep", "times", depth}, figure{"deep.first", "times", first},
		figure{"shallow.ms", "ms", milliseconds(mean(shallow.took, steps.admission))}, figure{"deep.ms", "ms", milliseconds(mean(deep.took, steps.admission))})
	figures = append(figures, stepFigures("shallow", shallow.took)...)
	figures = append(figures, stepFigures("deep", deep.took)...)
	shallow.took, deep.took = nil, nil

	careless, err := deep.carelessPlans(ctx)
	if err != nil {
		return nil, err
	}
	figures = append(figures, figure{"plans", "nodes", float64(careless)})

	long := pick(b.scale, 500*time.Millisecond, 6*time.Second, 5*time.Minute)
	err = deep.database.underSnapshot(ctx, func() error {
		began := time.Now()
		for time.Since(began) < long*5/6 {
			if err := deep.admit(ctx); err != nil {
				return err
			}
		}
		figures = append(figures, figure{"snapshot.cycles", "", float64(len(deep.took))})
		shallow.took, deep.took = nil, nil
		for time.Since(began) < long || len(deep.took) < 3 {
			if err := both(1); err != nil {
				return err
			}
		}
		return nil
	})
	return append(figures, figure{"snapshot", "times", deep.admission(shallow) / depth},
		figure{"snapshot.deep.ms", "ms", milliseconds(mean(deep.took, steps.admission))}), err
}

// newBacklog fills a backlog over all workspaces.
func (b *bench) newBacklog(ctx context.Context, workspaces, items int) (_ *backlog, err error) {
	d, err := b.newDatabase(ctx, workspaces, claimLimit)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	b.progress("  filling in %d items", items)
	if err := errors.Join(d.fill(ctx, items), d.settle(ctx)); err != nil {
		return nil, err
	}
	c, err := newCycler(ctx, d, claimBatch)
	return &backlog{cycler: c}, err
}

// admission is what a cycle costs here, of what it costs there.
func (b *backlog) admission(there *backlog) float64 {
	return ratio(mean(b.took, steps.admission), mean(there.took, steps.admission))
}

// admit admits a batch, ends it, and puts as much back.
func (b *backlog) admit(ctx context.Context) error {
	executions, took, err := b.cycle(ctx, claimBatch)
	if err == nil && len(executions) != claimBatch {
		err = fmt.Errorf("%d of %d claimed", len(executions), claimBatch)
	}
	if err != nil {
		return err
	}
	b.took = append(b.took, took)
	return errors.Join(b.settle(ctx, executions), b.end(ctx, executions), b.database.fill(ctx, claimBatch))
}

// underSnapshot does something while a transaction holds a snapshot of the database.
func (d *database) underSnapshot(ctx context.Context, do func() error) error {
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return fmt.Errorf("hold a snapshot: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, `SELECT count(*) FROM sluice.dispatchers`); err != nil {
		return fmt.Errorf("hold a snapshot: %w", err)
	}
	return do()
}

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
