package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

const aboutEnqueue = `Enqueues beside INSERTs of the same row, with an id made by the client, into a table of the same shape
without triggers, each a statement and a commit of its own. Single: one caller, and one that inserts. Apart: 16 callers, as if each were a process of its own,
and 16 that insert. Shared: 16 callers of one process, which share statements. Bulk: 4 callers with 1,000
items each time, beside a bare COPY of the same rows into that table. They take turns. Meanwhile a dispatcher plans, all the
time at the same pace.`

const (
	bulkCallers = 4
	bulkItems   = 1000
	planEvery   = 20 * time.Millisecond
	planBatch   = 100
)

func enqueue(ctx context.Context, b *bench) ([]figure, error) {
	d, err := b.newDatabase(ctx, pick(b.scale, 50, 1000, 1000), 10)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := d.exec(ctx, `CREATE SCHEMA bench`, `CREATE TABLE bench.bare (LIKE sluice.pending INCLUDING ALL)`); err != nil {
		return nil, err
	}
	c, err := newCycler(ctx, d, planBatch)
	if err != nil {
		return nil, err
	}
	planning, stop := context.WithCancel(ctx)
	var planner errgroup.Group
	planner.Go(func() error {
		for rest(planning, planEvery) == nil {
			if err := c.planAnew(planning); err != nil && planning.Err() == nil {
				return err
			}
		}
		return nil
	})
	figures, err := d.enqueueRates(ctx, b.scale)
	stop()
	return figures, errors.Join(err, planner.Wait())
}

// planAnew hears what is new and plans.
func (c *cycler) planAnew(ctx context.Context) error {
	if _, err := c.Watch(ctx, time.Now()); err != nil {
		return err
	}
	_, err := c.Plan(ctx, c.run, planBatch)
	return err
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
	apart := make(chan *queue.Client, callers)
	for range callers {
		apart <- queue.New(d.pool)
	}
	alone := func(ctx context.Context) error {
		client := <-apart
		defer func() { apart <- client }()
		_, err := client.Enqueue(ctx, d.item(int(n.Add(1))))
		return err
	}
	insert := func(ctx context.Context) error { return d.insertBare(ctx, int(n.Add(1))) }
	shared := func(ctx context.Context) error {
		_, err := d.app.Enqueue(ctx, d.item(int(n.Add(1))))
		return err
	}
	bulk := func(ctx context.Context) error {
		_, err := d.app.EnqueueMany(ctx, d.items(int(n.Add(bulkItems)), bulkItems))
		return err
	}
	copied := func(ctx context.Context) error { return d.copyBare(ctx, int(n.Add(bulkItems))) }

	window := pick(s, 100*time.Millisecond, 500*time.Millisecond, 10*time.Second)
	rates := map[string]float64{}
	way := func(name string, callers int, do func(context.Context) error) func() error {
		return func() error {
			rate, err := rateOf(ctx, callers, window, do)
			rates[name] += rate / enqueueTurns
			return err
		}
	}
	for _, group := range [][]func() error{
		{way("single", 1, alone), way("single.bare", 1, insert)},
		{way("shared", callers, shared), way("bare", callers, insert), way("apart", callers, alone)},
		{way("bulk", bulkCallers, bulk), way("bulk.bare", bulkCallers, copied)},
	} {
		if err := inTurn(enqueueTurns, group...); err != nil {
			return nil, err
		}
	}
	return []figure{
		{"single", "times", rates["single"] / rates["single.bare"]}, {"apart", "times", rates["apart"] / rates["bare"]},
		{"shared", "times", rates["shared"] / rates["bare"]}, {"bulk", "times", rates["bulk"] / rates["bulk.bare"]},
		{"single.rate", "per s", rates["single"]}, {"single.bare.rate", "per s", rates["single.bare"]},
		{"apart.rate", "per s", rates["apart"]}, {"shared.rate", "per s", rates["shared"]}, {"bare.rate", "per s", rates["bare"]},
		{"bulk.rate", "per s", rates["bulk"] * bulkItems}, {"bulk.bare.rate", "per s", rates["bulk.bare"] * bulkItems},
	}, nil
}

// enqueueTurns is how often each way has its turn.
const enqueueTurns = 4

// bareColumns are those that an enqueue writes, too.
var bareColumns = []string{"id", "workspace_id", "workflow_definition_id", "priority", "input", "enqueued_by", "trigger_type"}

func (d *database) bareRow(n int) []any {
	item := d.item(n)
	return []any{wire(uuid.Must(uuid.NewV7())), wire(item.WorkspaceID), wire(item.DefinitionID), int16(queue.DefaultPriority), item.Input, item.EnqueuedBy, "FUNCTION"}
}

func (d *database) insertBare(ctx context.Context, n int) error {
	_, err := d.pool.Exec(ctx, `INSERT INTO bench.bare (id, workspace_id, workflow_definition_id, priority, input, enqueued_by, trigger_type)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, d.bareRow(n)...)
	return err
}

// copyBare brings as many rows as a bulk enqueue, and nothing else.
func (d *database) copyBare(ctx context.Context, first int) error {
	_, err := d.pool.CopyFrom(ctx, pgx.Identifier{"bench", "bare"}, bareColumns, pgx.CopyFromSlice(bulkItems, func(i int) ([]any, error) {
		return d.bareRow(first + i), nil
	}))
	return err
}

// wire is an id as pgx sends it best, and package queue too.
func wire(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

// callers is how many applications enqueue at once.
const callers = 16

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
