package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/internal/chaos/cluster"
	"sluice/queue"
)

// situation is what the dispatcher does when its process dies.
type situation struct {
	name string
	// reach returns when the dispatcher is in it. What it starts goes on until the context of the round ends.
	reach func(b *bench, ctx context.Context) error
	// sure tells, after the kill, whether it was in it: it may just have left.
	sure func(b *bench, ctx context.Context) (bool, error)
	// pending says that what was enqueued before the kill counts as the next start.
	pending bool
}

var situations = []situation{
	{"waiting", (*bench).wait, (*bench).always, false},
	{"spinning", (*bench).trickle, (*bench).always, false},
	{"mid-dispatch", (*bench).burst, (*bench).isDispatching, true},
}

const (
	undispatched = `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NULL`
	patience     = 2 * time.Minute
	look         = 2 * time.Millisecond
)

// nextSQL is when the next start was settled after a moment, of any item or of one that was enqueued after it.
const nextSQL = `
	SELECT min(x.dispatched_at) FROM (
		SELECT created_at, dispatched_at FROM sluice.running
		UNION ALL SELECT created_at, dispatched_at FROM sluice.ended WHERE ended_at > $1 AND reason IS NULL) AS x
	WHERE x.dispatched_at > $1 AND ($2 OR x.created_at > $1)`

// round makes one kill and returns how long nothing was dispatched.
func (b *bench) round(ctx context.Context, s situation) (time.Duration, error) {
	for {
		took, counts, err := b.attempt(ctx, s)
		if err != nil || counts {
			return took, err
		}
	}
}

func (b *bench) attempt(ctx context.Context, s situation) (took time.Duration, counts bool, err error) {
	ctx, end := context.WithTimeout(ctx, patience)
	defer end()
	if err := b.rest(ctx); err != nil {
		return 0, false, err
	}
	if err := s.reach(b, ctx); err != nil {
		return 0, false, err
	}
	holder, err := b.holder(ctx)
	if err != nil {
		return 0, false, err
	}
	holder.Kill()
	var killed time.Time
	if err := b.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&killed); err != nil {
		return 0, false, err
	}
	counts, err = s.sure(b, ctx)
	if err == nil {
		err = b.enqueue(ctx, 1)
	}
	var next *time.Time
	for err == nil && next == nil {
		err = b.pool.QueryRow(ctx, nextSQL, killed, s.pending).Scan(&next)
		if next == nil {
			err = errors.Join(err, cluster.Sleep(ctx, look))
		}
	}
	if err == nil {
		took = next.Sub(killed)
	}
	if startErr := holder.Start(); startErr != nil {
		return 0, false, startErr
	}
	return took, counts, errors.Join(err, holder.AwaitReady(ctx))
}

// rest returns when nothing is under way.
func (b *bench) rest(ctx context.Context) error {
	return b.until(ctx, "nothing is under way", func() (bool, error) {
		n, err := b.count(ctx, `SELECT (SELECT count(*) FROM sluice.running) + (SELECT count(*) FROM sluice.pending)`)
		return n == 0, err
	})
}

// wait returns when the dispatcher waits, after any part of a heartbeat's interval.
func (b *bench) wait(ctx context.Context) error {
	err := b.until(ctx, "the dispatcher waits", func() (bool, error) {
		pid, err := cluster.WaitersPID(ctx, b.temporal, 0)
		return pid > 0, err
	})
	return errors.Join(err, cluster.Sleep(ctx, randomly(3*time.Second)))
}

// trickle enqueues an item every 300 ms until the round ends.
func (b *bench) trickle(ctx context.Context) error {
	go func() {
		for cluster.Sleep(ctx, 300*time.Millisecond) == nil {
			_ = b.enqueue(ctx, 1)
		}
	}()
	return cluster.Sleep(ctx, 3*time.Second+randomly(5*time.Second)) // any part of a workflow task's timeout
}

// burst enqueues two batches and returns when a part of one has been claimed and not yet started.
func (b *bench) burst(ctx context.Context) error {
	if err := b.enqueue(ctx, 2*b.batch); err != nil {
		return err
	}
	err := b.until(ctx, "a batch is claimed", func() (bool, error) {
		n, err := b.count(ctx, undispatched)
		return n > 0, err
	})
	return errors.Join(err, cluster.Sleep(ctx, randomly(200*time.Millisecond)))
}

func (b *bench) isDispatching(ctx context.Context) (bool, error) {
	n, err := b.count(ctx, undispatched)
	return n > 0, err
}

func (b *bench) always(context.Context) (bool, error) { return true, nil }

// enqueue puts n items into the queue, spread over the workspaces.
func (b *bench) enqueue(ctx context.Context, n int) error {
	items := make([]queue.Item, n)
	for i := range items {
		w := b.workspaces[rand.IntN(len(b.workspaces))]
		items[i] = queue.Item{WorkspaceID: w.id, DefinitionID: w.definition}
	}
	_, err := b.queue.EnqueueMany(ctx, items)
	return err
}

// holder is the worker that the dispatcher works in.
func (b *bench) holder(ctx context.Context) (*cluster.Worker, error) {
	pid, err := cluster.HoldersPID(ctx, b.temporal, b.Namespace, 0)
	if err != nil {
		return nil, err
	}
	for _, w := range b.Workers {
		if w.PID() == pid {
			return w, nil
		}
	}
	return nil, fmt.Errorf("process %d is none of ours", pid)
}

func (b *bench) count(ctx context.Context, sql string) (n int, err error) {
	err = b.pool.QueryRow(ctx, sql).Scan(&n)
	return n, err
}

func (b *bench) until(ctx context.Context, what string, done func() (bool, error)) error {
	for {
		yes, err := done()
		if err == nil && yes {
			return nil
		}
		if err == nil {
			err = cluster.Sleep(ctx, look)
		}
		if err != nil {
			return fmt.Errorf("wait until %s: %w", what, err)
		}
	}
}

func randomly(d time.Duration) time.Duration { return rand.N(d) }
