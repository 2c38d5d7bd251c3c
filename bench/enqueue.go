package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

const aboutEnqueue = `Single enqueues by 16 callers of one process, which share statements, in turn with INSERTs of the
same row, with an id made by the client, into a table of the same shape without triggers, each a statement and a commit
of its own; apart, as if each caller were a process of its own, so that none shares; and in bulk, 4 callers with 1,000
items each time, in turn with a bare COPY of the same rows into that table. Meanwhile somebody reads the capacity as
the dispatcher does, all the time at the same pace.`

const (
	bulkCallers = 4
	bulkItems   = 1000
	readEvery   = 20 * time.Millisecond
)

func enqueue(ctx context.Context, b *bench) ([]figure, error) {
	d, err := b.newDatabase(ctx, pick(b.scale, 50, 1000, 1000), 10)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if _, err := d.pool.Exec(ctx, `CREATE SCHEMA bench; CREATE TABLE bench.bare (LIKE sluice.execution_queue INCLUDING ALL)`); err != nil {
		return nil, fmt.Errorf("create a table to compare with: %w", err)
	}
	reading, stop := context.WithCancel(ctx)
	var reader errgroup.Group
	memory := d.dispatcher.Memory()
	reader.Go(func() error {
		for rest(reading, readEvery) == nil {
			if _, err := memory.Decide(reading, queue.Fence{}, 100); err != nil && reading.Err() == nil {
				return err
			}
		}
		return nil
	})
	figures, err := d.enqueueRates(ctx, b.scale)
	stop()
	if read := reader.Wait(); err == nil {
		err = read
	}
	return figures, err
}

var smallInput = json.RawMessage(`{"order": 4711, "customer": "c-1029384756", "currency": "EUR", "note": "as every month"}`)

// item is one of the workspace of this place, counted round.
func (d *database) item(n int) queue.Item {
	n %= len(d.workspaces)
	return queue.Item{WorkspaceID: d.workspaces[n], DefinitionID: d.definitions[n], Input: smallInput, EnqueuedBy: "bench"}
}

// items are so many, from this place on.
func (d *database) items(first, n int) []queue.Item {
	items := make([]queue.Item, n)
	for i := range items {
		items[i] = d.item(first + i)
	}
	return items
}

func (d *database) enqueueRates(ctx context.Context, s scale) ([]figure, error) {
	var n atomic.Int64
	apart := make(chan *queue.Queue, callers)
	for range callers {
		apart <- queue.New(d.pool)
	}
	ways := []*way{
		{callers: callers, do: func(ctx context.Context) error {
			_, err := d.app.Enqueue(ctx, d.item(int(n.Add(1))))
			return err
		}},
		{callers: callers, do: func(ctx context.Context) error {
			item := d.item(int(n.Add(1)))
			_, err := d.pool.Exec(ctx, `INSERT INTO bench.bare (id, workspace_id, workflow_definition_id, priority, input, enqueued_by, trigger_type)
				VALUES ($1, $2, $3, $4, $5, $6, $7)`,
				wire(uuid.Must(uuid.NewV7())), wire(item.WorkspaceID), wire(item.DefinitionID), queue.DefaultPriority, item.Input, item.EnqueuedBy, "FUNCTION")
			return err
		}},
		{callers: callers, do: func(ctx context.Context) error {
			q := <-apart
			defer func() { apart <- q }()
			_, err := q.Enqueue(ctx, d.item(int(n.Add(1))))
			return err
		}},
		{callers: bulkCallers, do: func(ctx context.Context) error {
			_, err := d.app.EnqueueMany(ctx, d.items(int(n.Add(bulkItems)), bulkItems))
			return err
		}},
		{callers: bulkCallers, do: func(ctx context.Context) error { return d.copyBare(ctx, int(n.Add(bulkItems))) }},
	}
	window := pick(s, 200*time.Millisecond, time.Second, 10*time.Second)
	for _, group := range [][]*way{ways[:3], ways[3:]} {
		if err := inTurn(ctx, group, window); err != nil {
			return nil, err
		}
	}
	single, bare, alone, many, copied := ways[0].rate, ways[1].rate, ways[2].rate, ways[3].rate, ways[4].rate
	return []figure{
		{"single", "times", single / bare}, {"single.rate", "per s", single}, {"single.bare.rate", "per s", bare},
		{"single.apart", "times", alone / bare},
		{"bulk", "per s", many * bulkItems}, {"bulk.bare", "per s", copied * bulkItems},
	}, nil
}

// copyBare brings as many rows as a bulk enqueue, and nothing else.
func (d *database) copyBare(ctx context.Context, first int) error {
	columns := []string{"id", "workspace_id", "workflow_definition_id", "priority", "input", "enqueued_by", "trigger_type"}
	_, err := d.pool.CopyFrom(ctx, pgx.Identifier{"bench", "bare"}, columns, pgx.CopyFromSlice(bulkItems, func(i int) ([]any, error) {
		item := d.item(first + i)
		return []any{wire(uuid.Must(uuid.NewV7())), wire(item.WorkspaceID), wire(item.DefinitionID), int16(queue.DefaultPriority),
			item.Input, item.EnqueuedBy, "FUNCTION"}, nil
	}))
	return err
}

// way is a way to bring items, and how often in a second so many callers did.
type way struct {
	callers int
	do      func(context.Context) error
	rate    float64
}

// inTurn measures the ways against one another: a b c c b a a b c c b a.
func inTurn(ctx context.Context, ways []*way, window time.Duration) error {
	const turns = 4
	ways = slices.Clone(ways)
	for range turns {
		for _, w := range ways {
			rate, err := rateOf(ctx, w.callers, window, w.do)
			if err != nil {
				return err
			}
			w.rate += rate / turns
		}
		slices.Reverse(ways)
	}
	return nil
}

// wire is an id as pgx sends it best, and package queue too.
func wire(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

// rateOf is how often so many callers get something done in a second.
func rateOf(ctx context.Context, callers int, window time.Duration, do func(context.Context) error) (float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	var done atomic.Int64
	began := time.Now()
	for range callers {
		group.Go(func() error {
			for time.Since(began) < window {
				if err := do(ctx); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), err
}
