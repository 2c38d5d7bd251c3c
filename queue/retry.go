package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// RetryFilter says which FAILED items to try again: either the ones it names, or those that it does not exclude. Zero
// fields do not narrow.
type RetryFilter struct {
	// IDs names items, all of which are retried or none. Nil names none; empty and not nil retries nothing. It excludes
	// the other fields.
	IDs         []uuid.UUID
	WorkspaceID uuid.UUID
	Reason      string // why they failed, such as definition-gone
	Limit       int    // at most so many, oldest first; 0: no limit
}

// Retry puts FAILED items back to PENDING, ready at once and with no attempts counted, and returns how many. Their
// expiry and unique key stay. An item whose expiry has passed is left alone, because it would only expire: CountExpired
// tells how many those are. Items that were CANCELLED or have EXPIRED ended as they should and are never retried.
//
// Errors, all of which leave every item as it is: ErrUnknownItem for an id that is no item, ErrNotRetryable for one
// that is not FAILED or whose expiry has passed, ErrInvalid for a filter that contradicts itself.
func (q *Queue) Retry(ctx context.Context, f RetryFilter, actor string) (int64, error) {
	if err := f.check(); err != nil {
		return 0, fmt.Errorf("retry: %w", err)
	}
	for {
		tag, err := q.pool.Exec(ctx, retrySQL, append(f.args(), actor)...)
		if err != nil || len(f.IDs) == 0 || tag.RowsAffected() > 0 {
			return tag.RowsAffected(), wrap(err, "retry items")
		}
		if err := q.whyNotRetryable(ctx, f.IDs); err != nil {
			return 0, wrap(err, "retry items")
		}
		// Each of them has failed in the meantime: look again.
	}
}

// CountExpired counts the FAILED items that the filter means and Retry leaves alone, because their expiry has passed.
func (q *Queue) CountExpired(ctx context.Context, f RetryFilter) (n int64, err error) {
	f.Limit = 0
	if err := f.check(); err != nil {
		return 0, fmt.Errorf("count expired items: %w", err)
	}
	err = q.pool.QueryRow(ctx, `SELECT count(*) FROM sluice.refused_items r WHERE `+failedSQL+` AND expires_at <= now()`, f.args()[:3]...).Scan(&n)
	return n, wrap(err, "count expired items")
}

func (f RetryFilter) check() error {
	switch {
	case f.Limit < 0:
		return invalid("limit must not be negative, got %d", f.Limit)
	case f.IDs != nil && (f.WorkspaceID != uuid.Nil || f.Reason != "" || f.Limit != 0):
		return invalid("items are named or filtered, not both")
	}
	return nil
}

// args are $1 to $4 of retrySQL.
func (f RetryFilter) args() []any {
	var limit *int
	if f.Limit > 0 {
		limit = &f.Limit
	}
	var ids []uuid.UUID
	if f.IDs != nil {
		ids = append([]uuid.UUID{}, f.IDs...)
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
		ids = slices.Compact(ids)
	}
	return []any{ids, f.WorkspaceID, f.Reason, limit}
}

// failedSQL is what a RetryFilter means.
const failedSQL = `r.status = 'FAILED' AND ($1::uuid[] IS NULL OR r.id = ANY ($1))
	AND ($2::uuid = '00000000-0000-0000-0000-000000000000' OR r.workspace_id = $2) AND ($3::text = '' OR r.reason = $3)`

// The story of an item is read from where it is now, so what the refused row told of its failure is written down.
const retrySQL = `
WITH matching AS (
	SELECT r.id FROM sluice.refused_items r WHERE ` + failedSQL + ` AND (r.expires_at IS NULL OR r.expires_at > now())
	ORDER BY r.id LIMIT $4::bigint FOR UPDATE
), item AS (
	DELETE FROM sluice.refused_items WHERE id = ANY (ARRAY(SELECT id FROM matching))
	AND ($1::uuid[] IS NULL OR (SELECT count(*) FROM matching) = cardinality($1::uuid[])) -- all that were named, or none
	RETURNING *
), logged AS (
	INSERT INTO sluice.activity_log (at, actor, action, workspace_id, queue_id, reason, details)
	SELECT refused_at, actor, 'failed', workspace_id, id, reason, jsonb_strip_nulls(jsonb_build_object('error', error)) FROM item
	UNION ALL
	SELECT clock_timestamp(), $5, 'retried', workspace_id, id, reason, jsonb_build_object('attempts', attempt_count) FROM item
), bell AS (
	INSERT INTO sluice.doorbell (workspace_id, available_at) SELECT DISTINCT workspace_id, now() FROM item
)
INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, attempt_count, created_at,
	available_at, expires_at, unique_key, trigger_type, enqueued_by, last_error, input, rung)
SELECT id, workspace_id, workflow_definition_id, priority, 0, created_at,
	now(), expires_at, unique_key, trigger_type, enqueued_by, concat_ws(': ', reason, error), input, true
FROM item`

// whyNotRetryable explains the first of the items that cannot be retried, or returns nil when all of them can.
func (q *Queue) whyNotRetryable(ctx context.Context, ids []uuid.UUID) error {
	type whereabouts struct {
		ID              uuid.UUID
		Status          *string // nil: no such item
		ExecutionStatus *string
		ExpiresAt       *time.Time
		Over            bool
	}
	items, err := collect[whereabouts](ctx, q.pool, `
		SELECT n.id, i.status, x.status AS execution_status, i.expires_at, coalesce(i.expires_at <= now(), false) AS over
		FROM unnest($1::uuid[]) WITH ORDINALITY AS n (id, place)
		LEFT JOIN sluice.queue_items i ON i.id = n.id LEFT JOIN sluice.executions x ON x.id = i.execution_id
		ORDER BY n.place`, ids)
	if err != nil {
		return err
	}
	for _, item := range items {
		switch {
		case item.Status == nil:
			return &RequestError{Kind: ErrUnknownItem, Message: "no queue item " + item.ID.String()}
		case item.ExecutionStatus != nil:
			return &RequestError{Kind: ErrNotRetryable, Message: fmt.Sprintf("item %s is %s and its execution %s, not FAILED before it started", item.ID, *item.Status, *item.ExecutionStatus),
				Hint: "what has started once never starts again: enqueue it anew"}
		case *item.Status != "FAILED":
			return &RequestError{Kind: ErrNotRetryable, Message: fmt.Sprintf("item %s is %s, not FAILED", item.ID, *item.Status)}
		case item.Over:
			return &RequestError{Kind: ErrNotRetryable, Message: fmt.Sprintf("item %s is FAILED and was to expire at %s", item.ID, item.ExpiresAt.UTC().Format(time.RFC3339)),
				Hint: "it would only expire: enqueue it anew"}
		}
	}
	return nil
}
