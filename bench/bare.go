package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"sluice/internal/store"
)

// The rows that an execution writes, in the tables as they are, by statements that decide nothing: which items is known
// before, and there is no turn, no plan, and nobody to be told. What the machine and the tables allow, and so what the
// engine is measured by.
const (
	bareClaimSQL = `
WITH taken AS (
	DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *
)
INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at,
	trigger_type, enqueued_by, input)
SELECT id, workspace_id, workflow_definition_id, priority, attempt_count, 1, created_at, available_at, clock_timestamp(), trigger_type, enqueued_by, input FROM taken
RETURNING id, input`
	bareSettleSQL = `UPDATE sluice.running SET dispatched_at = now(), checked_at = now(), engine_run_id = 'run' WHERE id = ANY ($1)`
	bareEndSQL    = `
WITH gone AS (
	DELETE FROM sluice.running WHERE id = ANY ($1) RETURNING *
), event AS (
	INSERT INTO sluice.events (freed, quiet) SELECT array_agg(id), true FROM gone
)
INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at,
	dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id, input)
SELECT id, workspace_id, workflow_definition_id, 'COMPLETED', priority, attempt_count, created_at, available_at, claimed_at, dispatched_at,
	greatest(now(), claimed_at, dispatched_at), trigger_type, enqueued_by, engine_run_id, input FROM gone`
)

// bareMost is more items than these statements take in a second.
const bareMost = 60_000

// bare has those statements take items from the backlog to their end for a while, the three beside one another on connections
// of their own, a whole batch at a time, with the settings that the engine's statements have.
func (d *database) bare(ctx context.Context, batch int, long time.Duration) (t trial, err error) {
	// In the order in which the engine takes them: it goes round the workspaces, and not through the table.
	items, err := store.Values[uuid.UUID](ctx, d.worker, `
		SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY workspace_id ORDER BY priority, available_at, id) AS n FROM sluice.pending) AS i
		ORDER BY n, id LIMIT $1`, int(long.Seconds()*bareMost)+batch)
	if err != nil {
		return t, fmt.Errorf("choose items: %w", err)
	}
	sortBatches(items, batch)
	group, working := errgroup.WithContext(ctx)
	claimed, settled := make(chan []uuid.UUID, 4), make(chan []uuid.UUID, 4)
	step := func(ids []uuid.UUID, sql ...string) error {
		last := len(sql) - 1
		err := store.Send(working, d.worker, func(b *pgx.Batch) {
			for _, before := range sql[:last] {
				b.Queue(before)
			}
			b.Queue(sql[last], ids)
		})
		return store.Wrap(err, "bare statement")
	}
	return d.measured(ctx, func() (int, error) {
		began, ended := time.Now(), 0
		group.Go(func() error {
			defer close(claimed)
			for ; time.Since(began) < long && len(items) > batch; items = items[batch:] {
				if err := errors.Join(step(items[:batch], bareClaimSQL), send(working, claimed, items[:batch])); err != nil {
					return err
				}
			}
			return nil
		})
		group.Go(func() error {
			defer close(settled)
			for ids := range claimed {
				if err := errors.Join(step(ids, `SET LOCAL synchronous_commit = off`, bareSettleSQL), send(working, settled, ids)); err != nil {
					return err
				}
			}
			return nil
		})
		group.Go(func() error {
			for ids := range settled {
				if err := step(ids, bareEndSQL); err != nil {
					return err
				}
				ended += len(ids)
			}
			return nil
		})
		err := group.Wait()
		return ended, err
	})
}

// sortBatches brings the items of each batch into the order of their ids, as the engine does.
func sortBatches(items []uuid.UUID, batch int) {
	for some := range slices.Chunk(items, batch) {
		slices.SortFunc(some, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	}
}

// send waits for room in a channel, but not for ever: its reader may have failed.
func send[T any](ctx context.Context, to chan<- T, value T) error {
	select {
	case to <- value:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
