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

const heldOpenBatch = 100

func heldOpen(ctx context.Context, b *bench) ([]figure, error) {
	d, err := b.newDatabase(ctx, 10, 10)
	if err != nil {
		return nil, err
	}
	defer d.close()
	c, err := newCycler(ctx, d, heldOpenBatch)
	if err != nil {
		return nil, err
	}
	long := pick(b.scale, 200*time.Millisecond, time.Second, time.Minute)
	if _, err := c.oneByOne(ctx, long/4); err != nil { // to have everything in the caches
		return nil, err
	}
	var beside, without pairs
	for _, held := range []bool{false, true, true, false} {
		block := c.oneByOne
		if held {
			block = c.besideOpenTransaction
		}
		took, err := block(ctx, long)
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
	executions, _, err := c.cycle(ctx, heldOpenBatch)
	if err != nil {
		return nil, err
	}
	left, err := one[int](ctx, d, `SELECT count(*) FROM sluice.pending`)
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

func (c *cycler) besideOpenTransaction(ctx context.Context, long time.Duration) (took pairs, err error) {
	d := c.database
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) (err error) {
		if _, err := d.app.EnqueueTx(ctx, tx, d.item(0)); err != nil {
			return err
		}
		took, err = c.oneByOne(ctx, long)
		return err
	})
	return took, err
}

// oneByOne enqueues, admits and ends one item after the other, of the first workspace.
func (c *cycler) oneByOne(ctx context.Context, long time.Duration) (took pairs, err error) {
	d := c.database
	for began := time.Now(); time.Since(began) < long; {
		enqueued := time.Now()
		if _, err := d.app.Enqueue(ctx, d.item(0)); err != nil {
			return took, err
		}
		took.enqueue = append(took.enqueue, time.Since(enqueued))
		executions, s, err := c.cycle(ctx, heldOpenBatch)
		if err != nil {
			return took, err
		}
		if len(executions) == 0 {
			return took, fmt.Errorf("an item that was enqueued has not been claimed")
		}
		took.claim = append(took.claim, s.admission())
		if err := c.end(ctx, executions); err != nil {
			return took, err
		}
	}
	return took, nil
}
