package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const aboutHeldOpen = `An application enqueues in a transaction of its own and leaves it open. Meanwhile, in the same
workspace, one item after the other is enqueued and admitted. That takes turns with the same without the transaction.
In the end every item must have been claimed once, those of the transactions too.`

func heldOpen(ctx context.Context, b *bench) ([]figure, error) {
	d, err := b.newDatabase(ctx, 10, 10)
	if err != nil {
		return nil, err
	}
	defer d.close()
	c, err := newCycler(ctx, d.dispatcher, 0)
	if err != nil {
		return nil, err
	}
	long := pick(b.scale, 200*time.Millisecond, time.Second, time.Minute)
	if _, err := d.oneByOne(ctx, c, long/4); err != nil { // to have everything in the caches
		return nil, err
	}
	var beside, without pairs
	for _, held := range []bool{false, true, true, false} {
		block := d.oneByOne
		if held {
			block = d.besideOpenTransaction
		}
		took, err := block(ctx, c, long)
		if err != nil {
			return nil, err
		}
		if held {
			beside = beside.with(took)
		} else {
			without = without.with(took)
		}
	}
	// What the transactions have enqueued is there now.
	executions, _, err := c.run(ctx, 100)
	if err != nil {
		return nil, err
	}
	left, err := d.count(ctx, `SELECT count(*) FROM sluice.execution_queue`)
	if err == nil && left > 0 {
		err = fmt.Errorf("%d items are left although %d have just been claimed", left, len(executions))
	}
	return []figure{
		{"enqueue", "times", ratio(quantile(beside.enqueue, 0.5), quantile(without.enqueue, 0.5))},
		{"claim", "times", ratio(quantile(beside.claim, 0.5), quantile(without.claim, 0.5))},
		{"enqueue.ms", "ms", milliseconds(quantile(beside.enqueue, 0.5))},
		{"enqueue.longest.ms", "ms", milliseconds(quantile(beside.enqueue, 1))},
		{"claim.ms", "ms", milliseconds(quantile(beside.claim, 0.5))},
		{"claim.longest.ms", "ms", milliseconds(quantile(beside.claim, 1))},
		{"enqueue.without.longest.ms", "ms", milliseconds(quantile(without.enqueue, 1))},
		{"claim.without.longest.ms", "ms", milliseconds(quantile(without.claim, 1))},
	}, err
}

// pairs are how long enqueues and the claims after them took.
type pairs struct{ enqueue, claim []time.Duration }

func (p pairs) with(more pairs) pairs {
	return pairs{append(p.enqueue, more.enqueue...), append(p.claim, more.claim...)}
}

func (d *database) besideOpenTransaction(ctx context.Context, c *cycler, long time.Duration) (took pairs, err error) {
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) (err error) {
		if _, err := d.app.EnqueueTx(ctx, tx, d.item(0)); err != nil {
			return err
		}
		took, err = d.oneByOne(ctx, c, long)
		return err
	})
	return took, err
}

// oneByOne enqueues, admits and ends one item after the other, of the first workspace.
func (d *database) oneByOne(ctx context.Context, c *cycler, long time.Duration) (took pairs, err error) {
	for began := time.Now(); time.Since(began) < long; {
		enqueued := time.Now()
		if _, err := d.app.Enqueue(ctx, d.item(0)); err != nil {
			return took, err
		}
		took.enqueue = append(took.enqueue, time.Since(enqueued))
		executions, s, err := c.run(ctx, 10)
		if err != nil {
			return took, err
		}
		if len(executions) == 0 {
			return took, fmt.Errorf("an item that was enqueued has not been claimed")
		}
		took.claim = append(took.claim, s.admission())
		if _, err := c.end(ctx, executions); err != nil {
			return took, err
		}
	}
	return took, nil
}
