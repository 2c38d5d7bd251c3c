package queue

import (
	"context"

	"github.com/google/uuid"
)

// Cancel ends a PENDING item as CANCELLED and returns the status the item has afterwards. An item that is CLAIMED or
// DISPATCHED is not touched: its workflow has to be cancelled in Temporal, and records the outcome itself.
// ErrUnknownItem says that there is no such item.
func (q *Queue) Cancel(ctx context.Context, id uuid.UUID, actor, why string) (string, error) {
	_, err := q.pool.Exec(ctx, `
		WITH item AS (
			DELETE FROM sluice.execution_queue WHERE id = $1 RETURNING *
		)
		INSERT INTO sluice.refused_items (id, workspace_id, workflow_definition_id, status, reason, error, actor, priority,
			attempt_count, created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, 'CANCELLED', 'cancelled', nullif($3, ''), $2, priority,
			attempt_count, created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input
		FROM item`, id, actor, why)
	if err != nil {
		return "", wrap(err, "cancel item "+id.String())
	}
	item, err := q.Item(ctx, id)
	return item.Status, err
}
