package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Failed says which FAILED items are meant. Zero fields do not narrow, and ids that are not nil name all of them.
type Failed struct {
	IDs         []uuid.UUID // each once
	WorkspaceID uuid.UUID
	Reason      string

	WorkflowType  string
	DefinitionID  uuid.UUID
	Error         string    // what their error has in it
	CreatedBefore time.Time // zero: whenever
	EndedBefore   time.Time
	Why           string // they are retried, for the log
}

var retrySQL = load("retry", "ids", "workspace", "reason", "most", "actor", "type", "definition", "error", "before", "ended_before", "why")

// Retry puts FAILED items back to PENDING, oldest first, at most so many unless that is 0, and returns how many. If it
// returns fewer than were named, the transaction must be rolled back, and WhyNotRetryable tells why.
func Retry(ctx context.Context, tx pgx.Tx, f Failed, most int, actor string) (int64, error) {
	var limit *int
	if most > 0 {
		limit = &most
	}
	tag, err := tx.Exec(ctx, retrySQL, f.IDs, orNull(f.WorkspaceID), f.Reason, limit, actor,
		orNone(f.WorkflowType), orNull(f.DefinitionID), orNone(f.Error), orNone(f.CreatedBefore), orNone(f.EndedBefore), f.Why)
	return tag.RowsAffected(), err
}

// orNone is NULL for the zero value.
func orNone[T string | time.Time](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

var notRetryableSQL = load("not_retryable", "ids")

// notRetryable is an item that was to be retried with others, as it is.
type notRetryable struct {
	ID              uuid.UUID
	Status          *string // nil: there is no such item
	ExecutionStatus *string
	ExpiresAt       *time.Time
	Over            bool
	Holder          *uuid.UUID // of its unique key
}

// WhyNotRetryable explains the first of the items that cannot be retried. It returns nil if each of them can be by now.
func WhyNotRetryable(ctx context.Context, db store.DB, ids []uuid.UUID) error {
	items, err := store.Collect[notRetryable](ctx, db, notRetryableSQL, ids)
	for i := 0; err == nil && i < len(items); i++ {
		err = items[i].explain()
	}
	return store.Wrap(err, "retry items")
}

func (item notRetryable) explain() error {
	refused := &store.RequestError{Kind: store.ErrNotRetryable}
	switch {
	case item.Status == nil:
		return &store.RequestError{Kind: store.ErrUnknownItem, Message: "no queue item " + item.ID.String()}
	case item.ExecutionStatus != nil:
		refused.Message = fmt.Sprintf("item %s is %s and its execution %s, not FAILED before it started", item.ID, *item.Status, *item.ExecutionStatus)
		refused.Hint = "what has started once never starts again: enqueue it anew"
	case *item.Status != "FAILED":
		refused.Message = fmt.Sprintf("item %s is %s, not FAILED", item.ID, *item.Status)
	case item.Over:
		refused.Message = fmt.Sprintf("item %s is FAILED and was to expire at %s", item.ID, item.ExpiresAt.UTC().Format(time.RFC3339))
		refused.Hint = "it would only expire: enqueue it anew"
	case item.Holder != nil && *item.Holder != item.ID:
		refused.Message = fmt.Sprintf("item %s is FAILED, and its unique key is that of the later item %s", item.ID, *item.Holder)
		refused.Hint = "it would be done twice: retry the later one if that has failed too"
	default:
		return nil
	}
	return refused
}

var countExpiredSQL = load("count_expired", "ids", "workspace", "reason", "type", "definition", "error", "before", "ended_before")

// CountExpired counts FAILED items whose expiry has passed: Retry leaves them alone.
func CountExpired(ctx context.Context, db store.DB, f Failed) (n int64, err error) {
	err = db.QueryRow(ctx, countExpiredSQL, f.IDs, orNull(f.WorkspaceID), f.Reason,
		orNone(f.WorkflowType), orNull(f.DefinitionID), orNone(f.Error), orNone(f.CreatedBefore), orNone(f.EndedBefore)).Scan(&n)
	return n, store.Wrap(err, "count expired items")
}
