package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// The rows that an execution writes, in the tables as they are, by statements that decide nothing: no limit, no fair
// order, no fence, no bell, no lookups. What the machine and the tables allow, and so what the engine is measured by.
const (
	bareClaimSQL = `
WITH picked AS (
	SELECT item.place FROM unnest($1::uuid[]) AS g (workspace_id) CROSS JOIN LATERAL (
		SELECT q.ctid AS place FROM sluice.execution_queue q
		WHERE q.workspace_id = g.workspace_id AND q.priority = 3 AND q.available_at <= now()
		ORDER BY q.available_at, q.id LIMIT $2 FOR UPDATE SKIP LOCKED) AS item
), taken AS (
	DELETE FROM sluice.execution_queue q WHERE q.ctid = ANY (ARRAY(SELECT place FROM picked)) RETURNING q.*
), claimed AS (
	INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority,
		attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
	SELECT id, workspace_id, workflow_definition_id, 'CLAIMED', priority, attempt_count, created_at, available_at, now(), trigger_type, enqueued_by FROM taken
), inputs AS (
	INSERT INTO sluice.execution_inputs (execution_id, input) SELECT id, input FROM taken
)
INSERT INTO sluice.slots (execution_id, workspace_id, epoch, cycle) SELECT id, workspace_id, 1, 1 FROM taken RETURNING execution_id`
	bareSettleSQL = `
WITH recorded AS (
	UPDATE sluice.workflow_executions SET status = 'RUNNING', dispatched_at = now(), engine_run_id = 'run' WHERE id = ANY ($1)
)
UPDATE sluice.slots SET dispatched = true, checked_at = now() WHERE execution_id = ANY ($1)`
	bareEndSQL = `
WITH recorded AS (
	UPDATE sluice.workflow_executions SET status = 'COMPLETED', completed_at = greatest(now(), dispatched_at) WHERE id = ANY ($1)
)
DELETE FROM sluice.slots WHERE execution_id = ANY ($1)`
)

// bareRate is how many executions per second those statements take from a backlog to their end, the three beside one
// another on connections of their own, a whole batch at a time.
func bareRate(ctx context.Context, b *bench, batch int) (rate float64, err error) {
	d, err := b.backlog(ctx)
	if err != nil {
		return 0, err
	}
	defer d.close()
	group, working := errgroup.WithContext(ctx)
	claimed, settled := make(chan []uuid.UUID, 4), make(chan []uuid.UUID, 4)
	ended := 0
	began := time.Now()
	until := began.Add(pick(b.scale, 300*time.Millisecond, 3*time.Second, 20*time.Second))
	group.Go(func() error {
		defer close(claimed)
		at, each := 0, max(1, batch/len(d.workspaces))
		for time.Now().Before(until) {
			var turn []uuid.UUID
			for range min(batch, len(d.workspaces)) {
				turn = append(turn, d.workspaces[at%len(d.workspaces)])
				at++
			}
			ids, err := bareIDs(working, d, turn, each)
			if err != nil || len(ids) == 0 { // in a short backlog nothing is left
				return err
			}
			ended += len(ids)
			claimed <- ids
		}
		return nil
	})
	step := func(from <-chan []uuid.UUID, to chan<- []uuid.UUID, sql string) func() error {
		return func() error {
			if to != nil {
				defer close(to)
			}
			for ids := range from {
				if _, err := d.worker.Exec(working, sql, ids); err != nil {
					return fmt.Errorf("bare statement: %w", err)
				}
				if to != nil {
					to <- ids
				}
			}
			return nil
		}
	}
	group.Go(step(claimed, settled, bareSettleSQL))
	group.Go(step(settled, nil, bareEndSQL))
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return float64(ended) / time.Since(began).Seconds(), nil
}

func bareIDs(ctx context.Context, d *database, workspaces []uuid.UUID, each int) (ids []uuid.UUID, err error) {
	rows, err := d.worker.Query(ctx, bareClaimSQL, workspaces, each)
	if err != nil {
		return nil, fmt.Errorf("bare claim: %w", err)
	}
	ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("bare claim: %w", err)
	}
	return ids, nil
}
