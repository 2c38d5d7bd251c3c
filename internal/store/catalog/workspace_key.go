package catalog

import (
	"context"

	"github.com/google/uuid"

	"sluice/internal/store"
)

var workspaceOfSQL = load("workspace_of", "key")

// WorkspaceOf returns the workspace that the platform knows by this key, or whose id it is. Where the settings allow that it is created.
func WorkspaceOf(ctx context.Context, db store.DB, key string) (id uuid.UUID, err error) {
	err = db.QueryRow(ctx, workspaceOfSQL, key).Scan(&id)
	return id, store.Wrap(err, "look for the workspace")
}
