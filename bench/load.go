package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// loadChunk is how many items one statement loads.
const loadChunk = 500_000

// load adds items that are ready, in turn for the workspaces from the first to before the last; one in six is of another
// priority than the default. Nothing is measured here, so it goes past package queue.
func (d *database) load(ctx context.Context, items, first, last int) error {
	for items > 0 {
		chunk := min(items, loadChunk)
		_, err := d.pool.Exec(ctx, `
			WITH bell AS (
				INSERT INTO sluice.doorbell (workspace_id, available_at) SELECT DISTINCT ($1::uuid[])[1 + n % cardinality($1)], now() - interval '1 hour'
				FROM generate_series($3::int, $4::int) AS n
			)
			INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by, input, rung)
			SELECT sluice.uuid_v7(), ($1::uuid[])[1 + n % cardinality($1)], ($2::uuid[])[1 + n % cardinality($1)],
			       CASE WHEN n % 6 = 0 THEN 1 + n / 6 % 5 ELSE 3 END, now() - interval '1 hour', 'bench',
			       jsonb_build_object('order', n, 'note', repeat('x', 130)), true
			FROM generate_series($3::int, $4::int) AS n`, d.workspaces[first:last], d.definitions[first:last], d.loaded, d.loaded+chunk-1)
		if err != nil {
			return fmt.Errorf("load a backlog: %w", err)
		}
		d.loaded += chunk
		items -= chunk
	}
	return nil
}

// hold gives executions that run, with these ids, a slot each; the one of a place in the workspace of that place.
func (d *database) hold(ctx context.Context, ids, workspaces, definitions []uuid.UUID) error {
	_, err := d.pool.Exec(ctx, `
		WITH held AS (
			SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS h (id, workspace_id, definition_id)
		), executions AS (
			INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count,
				created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by)
			SELECT id, workspace_id, definition_id, 'RUNNING', 3, 0, now(), now(), now(), now(), 'FUNCTION', 'bench' FROM held
		)
		INSERT INTO sluice.slots (execution_id, workspace_id, epoch, cycle, dispatched) SELECT id, workspace_id, 0, 0, true FROM held`,
		ids, workspaces, definitions)
	if err != nil {
		return fmt.Errorf("hold slots: %w", err)
	}
	return nil
}
