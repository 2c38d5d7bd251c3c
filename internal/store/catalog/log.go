package catalog

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// Activity is an entry of the activity log.
type Activity struct {
	Actor       string
	Action      string
	WorkspaceID *uuid.UUID
	QueueID     *uuid.UUID
	Reason      *string
	Details     json.RawMessage // an object; nil: an empty one
}

var logSQL = load("log", "actor", "action", "workspace", "item", "reason", "details")

// Log records what leaves no other fact: an operator's action, a recovery, a pause.
func Log(ctx context.Context, db store.DB, a Activity) error {
	var details []byte
	if len(a.Details) > 0 {
		details = a.Details
	}
	_, err := db.Exec(ctx, logSQL, a.Actor, a.Action, a.WorkspaceID, a.QueueID, a.Reason, details)
	return store.Wrap(err, "log activity")
}
