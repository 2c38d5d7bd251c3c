package queue

import (
	"context"

	"github.com/google/uuid"
)

// refusal is how a pending item ends without an execution.
type refusal struct {
	status, reason, actor string
	why                   string // in somebody's words; may be empty
}

// Cancel ends a PENDING item as CANCELLED and returns the status the item has afterwards. An item that is CLAIMED or
// DISPATCHED is not touched: its workflow has to be cancelled in Temporal, and records the outcome itself.
// ErrUnknownItem says that there is no such item.
func (q *Queue) Cancel(ctx context.Context, id uuid.UUID, actor, why string) (string, error) {
	if _, err := q.refusePending(ctx, refusal{"CANCELLED", "cancelled", actor, why}, `SELECT $5::uuid`, id); err != nil {
		return "", wrap(err, "cancel item "+id.String())
	}
	item, err := q.Item(ctx, id)
	return item.Status, err
}

// Expire ends pending items whose time is over, at most limit of them.
func (q *Queue) Expire(ctx context.Context, limit int) (int64, error) {
	n, err := q.refusePending(ctx, refusal{status: "EXPIRED", reason: "expired", actor: "recovery"}, `
		SELECT id FROM sluice.execution_queue WHERE expires_at <= now() ORDER BY expires_at LIMIT $5 FOR UPDATE SKIP LOCKED`, limit)
	return n, wrap(err, "expire items")
}

// RefuseOrphans fails pending items whose workspace is gone, at most limit of them: nobody could ever admit them.
func (q *Queue) RefuseOrphans(ctx context.Context, limit int) (int64, error) {
	n, err := q.refusePending(ctx, refusal{status: "FAILED", reason: "workspace-gone", actor: "recovery"}, `
		SELECT q.id FROM (`+withBacklog+`
			SELECT b.workspace_id FROM backlog b LEFT JOIN sluice.workspaces w ON w.id = b.workspace_id WHERE w.id IS NULL
		) AS gone JOIN sluice.execution_queue q ON q.workspace_id = gone.workspace_id LIMIT $5 FOR UPDATE OF q SKIP LOCKED`, limit)
	return n, wrap(err, "refuse items without a workspace")
}

// refusePending moves the pending items that the query chosen returns to refused_items; arg is its $5.
func (q *Queue) refusePending(ctx context.Context, r refusal, chosen string, arg any) (int64, error) {
	tag, err := q.pool.Exec(ctx, `
		WITH item AS (
			-- An array is chosen once; a subquery could be run again for each row, past its limit.
			DELETE FROM sluice.execution_queue WHERE id = ANY (ARRAY(`+chosen+`)) RETURNING *
		)
		INSERT INTO sluice.refused_items (id, workspace_id, workflow_definition_id, status, reason, actor, error, priority,
			attempt_count, created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, $1, $2, $3, nullif($4, ''), priority,
			attempt_count, created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input
		FROM item`, r.status, r.reason, r.actor, r.why, arg)
	return tag.RowsAffected(), err
}
