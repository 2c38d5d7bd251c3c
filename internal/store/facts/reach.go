package facts

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Reach is whose an execution of a definition is, the run of its workflow that is known, and the hosts that its http nodes may call; nil: any.
type Reach struct {
	WorkspaceID  uuid.UUID
	AllowedHosts []string
	RunID        string // empty: its start is not settled
}

var reachSQL = load("reach", "id")

// ReachOf returns the reach of an execution. ErrUnknownItem says that this database knows no such execution of a workspace's definition.
func ReachOf(ctx context.Context, db store.DB, execution uuid.UUID) (r Reach, err error) {
	err = db.QueryRow(ctx, reachSQL, execution).Scan(&r.WorkspaceID, &r.AllowedHosts, &r.RunID)
	if errors.Is(err, pgx.ErrNoRows) {
		err = &store.RequestError{Kind: store.ErrUnknownItem, Message: "no execution " + execution.String() + " of a definition of a workspace in this database"}
	}
	return r, store.Wrap(err, "read what an execution may reach")
}
