package catalog

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

var (
	lockWorkspaceSQL   = load("lock_workspace", "workspace")
	applyDefinitionSQL = load("apply_definition", "workspace", "name", "workflow", "actor")
)

// ApplyDefinition makes a graph the current version of the definition of its name, and creates the definition if there is none.
func ApplyDefinition[T any](ctx context.Context, tx pgx.Tx, workspace uuid.UUID, name string, workflow []byte, actor string) (applied T, err error) {
	if err := tx.QueryRow(ctx, lockWorkspaceSQL, workspace).Scan(nil); err != nil {
		return applied, orUnknown(err, workspace)
	}
	return one[T](ctx, tx, applyDefinitionSQL, workspace, name, workflow, actor)
}

var definitionsSQL = load("definitions", "workspace")

// Definitions lists the definitions of a workspace at their current versions, by name; those of all workspaces for the nil id.
func Definitions[T any](ctx context.Context, db store.DB, workspace uuid.UUID) ([]T, error) {
	list, err := store.Collect[T](ctx, db, definitionsSQL, orNull(workspace))
	return list, store.Wrap(err, "list definitions")
}

func orNull(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
