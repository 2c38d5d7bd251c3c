package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// StaleClaims are executions claimed longer than age ago and still not dispatched: no dispatcher has taken them up.
func (q *Queue) StaleClaims(ctx context.Context, age time.Duration, limit int) ([]uuid.UUID, error) {
	return q.ids(ctx, "read stale claims", `
		SELECT execution_id FROM sluice.slots WHERE NOT dispatched AND claimed_at < now() - $1::interval ORDER BY claimed_at LIMIT $2`, age, limit)
}

// Release puts stale claims whose workflow does not exist back to PENDING, without counting an attempt.
func (q *Queue) Release(ctx context.Context, ids []uuid.UUID, age time.Duration) (int64, error) {
	tag, err := q.pool.Exec(ctx, `
		WITH undone AS (
			-- The execution is locked before its slot, as everywhere: its status decides who comes first.
			DELETE FROM sluice.workflow_executions e USING sluice.slots s
			WHERE s.execution_id = ANY ($1) AND NOT s.dispatched AND s.claimed_at < now() - $2::interval
			  AND e.id = s.execution_id AND e.status = 'CLAIMED' RETURNING e.*
		), freed AS (
			DELETE FROM sluice.slots s USING undone u WHERE s.execution_id = u.id
		), inputs AS (
			DELETE FROM sluice.execution_inputs i USING undone u WHERE i.execution_id = u.id RETURNING i.execution_id, i.input
		), logged AS (
			INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason)
			SELECT 'recovery', 'recovered', workspace_id, id, 'stale-claim' FROM undone
		)
		INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, attempt_count, created_at,
			available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT u.id, u.workspace_id, u.workflow_definition_id, u.priority, u.attempt_count, u.created_at,
			u.available_at, u.expires_at, u.unique_key, u.trigger_type, u.enqueued_by, i.input
		FROM undone u JOIN inputs i ON i.execution_id = u.id`, ids, age)
	return tag.RowsAffected(), wrap(err, "release stale claims")
}

// PruneDoorbell deletes bells rung longer than age ago. Whoever waits reads capacity afresh more often than that.
func (q *Queue) PruneDoorbell(ctx context.Context, age time.Duration) (int64, error) {
	tag, err := q.pool.Exec(ctx, `DELETE FROM sluice.doorbell WHERE rung_at < now() - $1::interval`, age)
	return tag.RowsAffected(), wrap(err, "prune doorbell")
}

// PruneEndings deletes what is listed of endings longer than age ago. A check of a longer time reads every execution.
func (q *Queue) PruneEndings(ctx context.Context, age time.Duration) (int64, error) {
	tag, err := q.pool.Exec(ctx, `DELETE FROM sluice.endings WHERE at < now() - $1::interval`, age)
	return tag.RowsAffected(), wrap(err, "prune the list of endings")
}

func (q *Queue) ids(ctx context.Context, doing, sql string, args ...any) ([]uuid.UUID, error) {
	rows, err := q.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, wrap(err, doing)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return ids, wrap(err, doing)
}
