package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

const aboutEngine = `Admission on Postgres alone: the steps of the dispatcher in its order (capacity and policy,
claim, settle), with a starter that does nothing, and executions that end as soon as they have started, 128 at once: each
waits until its own outcome is recorded, as a workflow does, and those of one worker share statements.
Workspaces with a limit of 10 and a backlog that does not run out. Executions per second from the first cycle to the
last outcome, of two dispatchers that share the workspaces (two shards), each with a batch of that size. Single: of one
dispatcher, whose steps follow one another. Bare: the same rows in the same tables, written by three statements on three connections that decide
nothing, a whole batch at a time.`

func engine(ctx context.Context, b *bench) (figures []figure, err error) {
	for _, batch := range []int{100, 500} {
		name := fmt.Sprintf("batch%d", batch)
		rate, took, err := engineRate(ctx, b, batch, engineShards)
		if err != nil {
			return nil, err
		}
		bare, err := bareRate(ctx, b, batch)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{name, "per s", rate}, figure{name + ".bare", "per s", bare}, figure{name + ".ratio", "times", rate / bare})
		figures = append(figures, stepFigures(name, took)...)
		if rate, took, err = engineRate(ctx, b, batch, 1); err != nil {
			return nil, err
		}
		figures = append(figures, figure{name + ".single", "per s", rate}, figure{name + ".single.ratio", "times", rate / bare})
		figures = append(figures, stepFigures(name+".single", took)...)
	}
	return figures, nil
}

// engineShards is how many dispatchers share the work: as many as there are cores.
const engineShards = 2

// engineRate returns the rate, and what the steps of each cycle that claimed something took.
func engineRate(ctx context.Context, b *bench, batch, shards int) (rate float64, took []steps, err error) {
	d, err := b.backlog(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer d.close()
	if err := d.app.SetShards(ctx, shards, "bench"); err != nil {
		return 0, nil, err
	}
	recorder := queue.NewRecorder(d.dispatcher)
	dispatchers := make([]*cycler, shards)
	for shard := range dispatchers {
		if dispatchers[shard], err = newCycler(ctx, d.dispatcher, shard); err != nil {
			return 0, nil, err
		}
	}
	group, working := errgroup.WithContext(ctx)
	running := make(chan uuid.UUID, 10*len(d.workspaces)) // all slots: the dispatcher never waits for room here
	began := time.Now()
	until := began.Add(pick(b.scale, 300*time.Millisecond, 3*time.Second, 20*time.Second))
	group.Go(func() error {
		defer close(running)
		dispatching, working := errgroup.WithContext(working)
		for _, c := range dispatchers {
			dispatching.Go(func() error { return c.admit(working, batch, until, running) })
		}
		return dispatching.Wait()
	})
	for range ending {
		group.Go(func() error {
			for id := range running {
				if err := endOne(working, recorder, id); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, nil, err
	}
	long := time.Since(began)
	ended := 0
	for _, c := range dispatchers {
		ended += c.started
		took = append(took, c.took...)
	}
	left, err := d.count(ctx, `SELECT count(*) FROM sluice.execution_queue`)
	if err == nil && left == 0 {
		err = fmt.Errorf("the backlog of %d ran out", d.loaded)
	}
	return float64(ended) / long.Seconds(), took, err
}

// admit makes one cycle after the other.
func (c *cycler) admit(ctx context.Context, batch int, until time.Time, running chan<- uuid.UUID) error {
	for time.Now().Before(until) {
		executions, took, err := c.run(ctx, batch)
		if err != nil {
			return err
		}
		if len(executions) == 0 { // all at their limit: until an outcome rings
			if _, err := c.queue.Spin(ctx, c.mark, until); err != nil {
				return err
			}
			continue
		}
		c.took = append(c.took, took)
		c.started += len(executions)
		for _, id := range executions {
			running <- id
		}
	}
	return nil
}

// backlog is a database with more work than its workspaces can run meanwhile.
func (b *bench) backlog(ctx context.Context) (_ *database, err error) {
	d, err := b.newDatabase(ctx, pick(b.scale, 100, 1000, 1000), 10)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if err := d.load(ctx, pick(b.scale, 5000, 50_000, 1_000_000), 0, len(d.workspaces)); err != nil {
		return nil, err
	}
	return d, d.settle(ctx)
}
