package facts

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// LimitChange is a change of what a plan allows, or, with a WorkspaceID, of the plan a workspace is on.
type LimitChange struct {
	At          time.Time
	WorkspaceID *uuid.UUID
	Plan        string
	Limit       int     // of the plan, when its limit has changed
	Override    *int    // of the workspace instead of its plan's
	Nominal     *int    // nominal quota of the plan, or of the workspace instead; nil: all that it may hold
	Cohort      *string // of the workspace
}

// GlobalLimitChange is a change of what all workspaces together may hold; Limit nil: it is not bounded.
type GlobalLimitChange struct {
	At    time.Time
	Limit *int
}

var (
	limitChangesSQL       = load("limit_changes")
	globalLimitChangesSQL = load("global_limit_changes")
)

// LimitChanges is the history of all limits, oldest first. Each change was in force from its time on; what was in force
// before the first is not known.
func LimitChanges(ctx context.Context, db store.DB) ([]LimitChange, error) {
	changes, err := store.Collect[LimitChange](ctx, db, limitChangesSQL)
	return changes, store.Wrap(err, "read history of limits")
}

// GlobalLimitChanges is the history of the global limit, oldest first. Before the first change nothing was bounded.
func GlobalLimitChanges(ctx context.Context, db store.DB) ([]GlobalLimitChange, error) {
	changes, err := store.Collect[GlobalLimitChange](ctx, db, globalLimitChangesSQL)
	return changes, store.Wrap(err, "read history of the global limit")
}
