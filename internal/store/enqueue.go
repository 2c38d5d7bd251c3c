package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// LargeInput is the most bytes of an input that live in the row of its item. A larger one is written to sluice.inputs, once,
// instead of being copied each time the item moves. sluice.enqueue has the same number.
const LargeInput = 2000

// Arrival is an item on its way into the queue, with its defaults filled in.
type Arrival struct {
	Ownership
	ID          uuid.UUID // of plain items; the others get theirs from the database
	Priority    int
	Input       json.RawMessage // a JSON object, compact
	EnqueuedBy  string          // empty: as the connection calls itself
	TriggerType string

	AvailableAt, ExpiresAt time.Time      // zero: now, never
	UniqueKey              string         // empty: none
	UniqueFor              *time.Duration // nil: as long as the item is retained
}

// Ownership says that a definition belongs to a workspace.
type Ownership struct{ WorkspaceID, DefinitionID uuid.UUID }

// Plain tells whether only the definition is left for the database to check.
func (a *Arrival) Plain() bool {
	return a.UniqueKey == "" && a.AvailableAt.IsZero() && a.ExpiresAt.IsZero()
}

func (a *Arrival) large() bool { return len(a.Input) > LargeInput }

// Enqueued is the answer for an item.
type Enqueued struct {
	QueueID uuid.UUID `json:"queueId"`
	Status  string    `json:"status"`
	Message string    `json:"message"`
}

var (
	enqueueSQL     = load("enqueue", "id", "workspace", "definition", "priority", "input", "actor", "trigger", "large", "check", "own")
	enqueueItemSQL = load("enqueue_item", "workspace", "definition", "input", "priority", "available_at", "key", "expires_at", "actor",
		"trigger", "unique_for", "large")
)

// Enqueue enqueues a plain item. Own says that the statement is a transaction of its own: then it wakes the dispatcher itself.
// Without check the definition is taken to be the workspace's.
//
// On the server it takes about a fifth more processor time than a bare INSERT into a like table: 87 µs beside 69 on a
// 2-core machine, without the commit. The event is most of the difference; the three flags cost 3 µs together.
func Enqueue(ctx context.Context, db DB, a *Arrival, own, check bool) error {
	_, err := db.Exec(ctx, enqueueSQL, pgID(a.ID), pgID(a.WorkspaceID), pgID(a.DefinitionID), a.Priority, a.Input, a.EnqueuedBy,
		a.TriggerType, a.large(), check, own)
	return err
}

// EnqueueItem enqueues an item of any kind.
func EnqueueItem(ctx context.Context, db DB, a *Arrival) (answer Enqueued, err error) {
	err = db.QueryRow(ctx, enqueueItemSQL, a.arguments()...).Scan(&answer)
	return answer, err
}

func (a *Arrival) arguments() []any {
	return []any{pgID(a.WorkspaceID), pgID(a.DefinitionID), a.Input, a.Priority, timeOrNull(a.AvailableAt), pgtype.Text{String: a.UniqueKey, Valid: a.UniqueKey != ""},
		timeOrNull(a.ExpiresAt), a.EnqueuedBy, a.TriggerType, a.UniqueFor, a.large()}
}

func timeOrNull(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}
