package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

const aboutEnqueue = `Single enqueues by 16 callers, in turn with INSERTs of the same row, with an id made by the
client, into a table of the same shape without triggers; and in bulk, 4 callers with 1,000 items each time. Meanwhile
somebody reads the capacity as the dispatcher does, all the time at the same pace.`

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
	window := pick(s, 200*time.Millisecond, time.Second, 10*time.Second)
	single := func(ctx context.Context) error {
		_, err := d.app.Enqueue(ctx, d.item(int(n.Add(1))))
		return err
	}
	bare := func(ctx context.Context) error {
		item := d.item(int(n.Add(1)))
		_, err := d.pool.Exec(ctx, `INSERT INTO bench.bare (id, workspace_id, workflow_definition_id, priority, input, enqueued_by, trigger_type)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			wire(uuid.Must(uuid.NewV7())), wire(item.WorkspaceID), wire(item.DefinitionID), queue.DefaultPriority, item.Input, item.EnqueuedBy, "FUNCTION")
		return err
	}
	bulk := func(ctx context.Context) error {
		_, err := d.app.EnqueueMany(ctx, d.items(int(n.Add(bulkItems)), bulkItems))
		return err
	}
	var singles, bares float64
	const turns = 8
	for turn := range turns { // a b b a a b b a
		sum, do := &singles, single
		if turn%4 == 1 || turn%4 == 2 {
			sum, do = &bares, bare
		}
		rate, err := rateOf(ctx, callers, window, do)
		if err != nil {
			return nil, err
		}
		*sum += rate / (turns / 2)
	}
	many, err := rateOf(ctx, bulkCallers, window, bulk)
	return []figure{
		{"single", "times", singles / bares}, {"single.rate", "per s", singles}, {"single.bare.rate", "per s", bares},
		{"bulk", "per s", many * bulkItems},
	}, err
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
