package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/internal/dispatch"
	"sluice/internal/store/catalog"
)

const aboutEngine = `Admission on Postgres alone: the steps of the dispatcher in its order (plan, claim, hand over), with a
starter that does nothing. Starts are settled on another connection beside the next claim, and then end at once, 1,000 at a time: each
waits until its own outcome is recorded, as a workflow does, and those of one worker share statements.
Workspaces with a limit of 10 and a backlog that does not run out. One dispatcher, two that share the workspaces (two
shards), and the bare statements take turns on the same tables. Bare: the same rows, written by three statements on three connections that
decide nothing, a whole batch at a time. Rates are executions per second from the first cycle to the last outcome;
processor time is that of all the server's processes and of this one, for each execution, with one dispatcher. WAL: what
one dispatcher writes from the claim to the outcome, in batches of 100, without the images of pages that follow a checkpoint: all
of the backlog has been written since the last one.`

func engine(ctx context.Context, b *bench) (figures []figure, err error) {
	for _, batch := range []int{100, 500} {
		found, err := b.engineInTurn(ctx, batch)
		if err != nil {
			return nil, err
		}
		figures = append(figures, found...)
	}
	wal, err := b.walOfEach(ctx)
	return append(figures, figure{"wal", "bytes", wal}), err
}

// engineInTurn compares one dispatcher, bare statements and two dispatchers, with batches of one size.
func (b *bench) engineInTurn(ctx context.Context, batch int) (figures []figure, err error) {
	d, err := b.newDatabase(ctx, pick(b.scale, 100, 1000, 1000), 10)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := errors.Join(d.fill(ctx, pick(b.scale, 20_000, 200_000, 2_000_000)), d.settle(ctx)); err != nil {
		return nil, err
	}
	var one, two, bare trial
	var took []steps
	long, turns := pick(b.scale, 50*time.Millisecond, 500*time.Millisecond, 2*time.Second), pick(b.scale, 1, 2, 6)
	dispatchers := func(shards int, sum *trial) func() error {
		return func() error {
			t, cycles, err := d.dispatched(ctx, batch, shards, long)
			if shards == 1 {
				took = append(took, cycles...)
			}
			sum.add(t)
			return err
		}
	}
	err = inTurn(turns, dispatchers(1, &one), func() error {
		t, err := d.bare(ctx, batch, long)
		bare.add(t)
		return err
	}, dispatchers(2, &two))
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("batch%d", batch)
	figures = append(figures, figure{name + ".one", "times", one.rate() / bare.rate()}, figure{name + ".two", "times", two.rate() / bare.rate()})
	figures = append(figures, one.costs(name)...)
	figures = append(figures, bare.costs(name+".bare")...)
	figures = append(figures, figure{name + ".one.rate", "per s", one.rate()}, figure{name + ".two.rate", "per s", two.rate()},
		figure{name + ".bare.rate", "per s", bare.rate()})
	return append(figures, stepFigures(name, took)...), nil
}

// dispatched has dispatchers share the work for a while, and returns what the steps of each cycle took that claimed something.
func (d *database) dispatched(ctx context.Context, batch, shards int, long time.Duration) (t trial, took []steps, err error) {
	if err := catalog.SetShards(ctx, d.worker, shards, "bench"); err != nil {
		return t, nil, err
	}
	dispatchers, err := newCyclers(ctx, d, shards, batch)
	if err != nil {
		return t, nil, err
	}
	for _, c := range dispatchers {
		if err := c.warm(ctx, batch); err != nil {
			return t, nil, err
		}
	}
	group, working := errgroup.WithContext(ctx)
	running := make(chan uuid.UUID, 10*len(d.workspaces)) // all slots: nothing waits for room here
	t, err = d.measured(ctx, func() (ended int, err error) {
		until := time.Now().Add(long)
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
					if err := dispatchers[0].endOne(working, id); err != nil {
						return err
					}
				}
				return nil
			})
		}
		err = group.Wait()
		for _, c := range dispatchers {
			ended += c.started
			took = append(took, c.took...)
		}
		return ended, err
	})
	if err != nil {
		return t, nil, err
	}
	left, err := one[int](ctx, d, `SELECT count(*) FROM sluice.pending`)
	if err == nil && left == 0 {
		err = fmt.Errorf("the backlog of %d ran out", d.filled)
	}
	return t, took, err
}

// warm makes cycles until each workspace has had its turn twice: then their next items are known, as they are while a
// dispatcher works.
func (c *cycler) warm(ctx context.Context, batch int) error {
	for range 1 + 2*len(c.database.workspaces)/batch {
		executions, _, err := c.cycle(ctx, batch)
		if err := errors.Join(err, c.settle(ctx, executions), c.end(ctx, executions)); err != nil {
			return err
		}
	}
	return nil
}

// admit makes one cycle after the other. What they start is settled beside the next.
func (c *cycler) admit(ctx context.Context, batch int, until time.Time, running chan<- uuid.UUID) error {
	group, ctx := errgroup.WithContext(ctx)
	started := make(chan []dispatch.Execution, 4)
	group.Go(func() error {
		defer close(started)
		for time.Now().Before(until) {
			executions, took, err := c.cycle(ctx, batch)
			if err != nil {
				return err
			}
			if len(executions) == 0 { // all at their limit: until an outcome is heard of
				if _, err := c.Watch(ctx, until); err != nil {
					return err
				}
				continue
			}
			c.took = append(c.took, took)
			c.started += len(executions)
			if err := send(ctx, started, executions); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for executions := range started {
			if err := c.settle(ctx, executions); err != nil {
				return err
			}
			for _, x := range executions {
				running <- x.ID
			}
		}
		return nil
	})
	return group.Wait()
}

// walTries is how often it is tried to find a time without a checkpoint.
const walTries = 5

// walOfEach is how many bytes of WAL an execution takes. It returns NaN if there was a checkpoint each time.
func (b *bench) walOfEach(ctx context.Context) (bytes float64, err error) {
	d, err := b.newDatabase(ctx, pick(b.scale, 100, 1000, 1000), 10)
	if err != nil {
		return 0, err
	}
	defer d.close()
	for range walTries {
		if err := errors.Join(d.exec(ctx, "CHECKPOINT"), d.fill(ctx, pick(b.scale, 20_000, 100_000, 200_000)), d.exec(ctx, "VACUUM (ANALYZE)")); err != nil {
			return 0, err
		}
		t, _, err := d.dispatched(ctx, 100, 1, pick(b.scale, 100*time.Millisecond, time.Second, 3*time.Second))
		if err != nil {
			return 0, err
		}
		if !t.checkpoint {
			return t.wal / float64(t.ended), nil
		}
	}
	return math.NaN(), nil
}
