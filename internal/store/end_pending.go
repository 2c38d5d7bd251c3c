package store

import (
	"context"

	"github.com/google/uuid"
)

// Refusal is how a pending item ends without an execution.
type Refusal struct {
	Status  string // FAILED, CANCELLED or EXPIRED
	Reason  string // in one word, such as expired
	Actor   string
	Message string // in somebody's words; may be empty
}

var endPendingSQL = load("end_pending", "ids", "status", "reason", "actor", "message")

// EndPending ends those of the items that are pending, and returns which these were. What is claimed or over is not touched. One
// that the database refuses to end does not keep the others.
func EndPending(ctx context.Context, db DB, ids []uuid.UUID, r Refusal) (ended []uuid.UUID, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = apart(ids, func(part []uuid.UUID) error {
		some, err := Values[uuid.UUID](ctx, db, endPendingSQL, part, r.Status, r.Reason, r.Actor, r.Message)
		ended = append(ended, some...)
		return err
	})
	return ended, Wrap(err, "end pending items")
}
