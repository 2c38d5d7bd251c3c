package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// FailedStart is a claim whose workflow does not exist and was not started.
type FailedStart struct {
	ExecutionID uuid.UUID
	Reason      string
	Error       string
	Permanent   bool // no retry can help: FAILED at once
}

// RetryPolicy bounds the starts of one item. Only failed starts count as attempts; waiting for capacity does not.
type RetryPolicy struct {
	MaxAttempts int           // FAILED after so many failed starts
	Backoff     time.Duration // before the second attempt; doubles each time
	MaxBackoff  time.Duration
	Jitter      float64 // spreads each wait by this share of it to both sides, 0 to 1
}

// Requeued tells what became of failed starts.
type Requeued struct {
	Pending int // back in the queue, with backoff
	Failed  int // ended FAILED
}

// Requeue undoes claims whose start failed: the slot is free again and the item goes back to PENDING with backoff and
// jitter, or ends FAILED. It is fenced: a dispatcher that has been overtaken leaves the claims to its
// successor, and a dispatch to the one that was begun after it.
func (q *Queue) Requeue(ctx context.Context, fence Fence, failed []FailedStart, policy RetryPolicy) (Requeued, error) {
	ids, reasons, errs, permanent := make([]uuid.UUID, len(failed)), make([]string, len(failed)), make([]string, len(failed)), make([]bool, len(failed))
	for i, f := range inOrder(failed, func(f FailedStart) uuid.UUID { return f.ExecutionID }) {
		ids[i], reasons[i], errs[i], permanent[i] = f.ExecutionID, f.Reason, f.Error, f.Permanent
	}
	var r Requeued
	err := q.pool.QueryRow(ctx, `
		WITH fence AS (
			SELECT FROM sluice.dispatchers WHERE shard = $1 AND epoch = $2 AND cycle <= $3 AND $12::bigint IN (0, dispatch) FOR SHARE
		), failed AS (
			SELECT f.* FROM fence CROSS JOIN unnest($4::uuid[], $5::text[], $6::text[], $7::bool[]) AS f (id, reason, error, permanent)
		)`+undoClaimSQL+`
		SELECT (SELECT count(*) FROM pending), (SELECT count(*) FROM refused)`,
		fence.Shard, fence.Epoch, fence.Cycle, ids, reasons, errs, permanent,
		policy.MaxAttempts, policy.Backoff, policy.MaxBackoff, policy.Jitter, fence.Dispatch).Scan(&r.Pending, &r.Failed)
	return r, wrap(err, "requeue failed starts")
}

// undoClaimSQL continues a WITH that has defined failed (id, reason, error, permanent); $8 to $11 are the RetryPolicy.
const undoClaimSQL = `, undone AS (
	DELETE FROM sluice.workflow_executions e USING failed f WHERE e.id = f.id AND e.status = 'CLAIMED'
	RETURNING e.*, f.reason, f.error AS start_error, f.permanent OR e.attempt_count + 1 >= $8 AS final
), inputs AS (
	DELETE FROM sluice.execution_inputs i USING undone u WHERE i.execution_id = u.id RETURNING i.execution_id, i.input
), freed AS (
	DELETE FROM sluice.slots s USING undone u WHERE s.execution_id = u.id RETURNING s.workspace_id
), bell AS (
	INSERT INTO sluice.doorbell (workspace_id) SELECT DISTINCT workspace_id FROM freed
), pending AS (
	INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, attempt_count, created_at,
		available_at, expires_at, unique_key, trigger_type, enqueued_by, last_error, input)
	SELECT u.id, u.workspace_id, u.workflow_definition_id, u.priority, u.attempt_count + 1, u.created_at,
		now() + least($9::interval * power(2, u.attempt_count), $10::interval) * (1 + $11::float8 * (2 * random() - 1)),
		u.expires_at, u.unique_key, u.trigger_type, u.enqueued_by, concat_ws(': ', u.reason, u.start_error), i.input
	FROM undone u JOIN inputs i ON i.execution_id = u.id WHERE NOT u.final
	RETURNING id
), refused AS (
	INSERT INTO sluice.refused_items (id, workspace_id, workflow_definition_id, status, reason, error, actor, priority,
		attempt_count, created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
	SELECT u.id, u.workspace_id, u.workflow_definition_id, 'FAILED', u.reason, u.start_error, 'dispatcher', u.priority,
		u.attempt_count + 1, u.created_at, u.available_at, u.expires_at, u.unique_key, u.trigger_type, u.enqueued_by, i.input
	FROM undone u JOIN inputs i ON i.execution_id = u.id WHERE u.final
	RETURNING id
), logged AS (
	INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
	SELECT 'dispatcher', 'requeued', u.workspace_id, u.id, u.reason, jsonb_build_object('error', u.start_error, 'attempt', u.attempt_count + 1)
	FROM undone u WHERE NOT u.final
)`
