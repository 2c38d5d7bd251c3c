package catalog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/store"
)

var (
	lockWorkspaceSQL   = load("lock_workspace", "workspace")
	applyDefinitionSQL = load("apply_definition", "workspace", "name", "workflow", "actor", "most", "kept")
)

// ApplyDefinition makes a graph the current version of the definition of its name, and creates the definition if there is none and the
// workspace has not as many as it may.
func ApplyDefinition[T any](ctx context.Context, tx pgx.Tx, workspace uuid.UUID, name string, workflow []byte, actor string) (applied T, err error) {
	if err := tx.QueryRow(ctx, lockWorkspaceSQL, workspace).Scan(nil); err != nil {
		return applied, orUnknown(err, workspace)
	}
	applied, err = one[T](ctx, tx, applyDefinitionSQL, workspace, name, workflow, actor, bounds.MaxDefinitions, bounds.KeptVersions)
	if errors.Is(err, pgx.ErrNoRows) {
		err = &store.RequestError{
			Kind: store.ErrTooManyDefinitions, Message: fmt.Sprintf("the workspace has %d definitions, and may have no more", bounds.MaxDefinitions),
			Hint: "apply it under the name of one of these, or delete what is not used: starter definition delete ID",
		}
	}
	return applied, err
}

var othersTaskQueuesSQL = load("others_task_queues", "workspace", "queues")

var anID = regexp.MustCompile(`(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// CheckTaskQueues refuses task queues that the template of the settings makes for another workspace. It asks the database only where one
// has an id in it that is not the workspace's.
func CheckTaskQueues(ctx context.Context, db store.DB, workspace uuid.UUID, queues ...string) error {
	queues = slices.DeleteFunc(slices.Clone(queues), func(queue string) bool {
		return !slices.ContainsFunc(anID.FindAllString(queue, -1), func(id string) bool { return id != workspace.String() })
	})
	if len(queues) == 0 {
		return nil
	}
	others, err := store.Values[string](ctx, db, othersTaskQueuesSQL, workspace, queues)
	if err == nil && len(others) > 0 {
		err = store.Invalid("task queue %q is another workspace's", others[0])
	}
	return store.Wrap(err, "look whose task queues are named")
}

var (
	definitionsSQL     = load("definitions", "workspace", "after_workspace", "after_name", "most")
	definitionPlaceSQL = load("definition_place", "definition", "workspace")
)

// place is where a definition stands in the list.
type place struct {
	Workspace *uuid.UUID
	Name      *string
}

// Definitions is a page of the definitions of a workspace at their current versions, by name; for the nil id of all definitions, one
// workspace after the other. It begins after a definition, or with the first for the nil id.
func Definitions[T any](ctx context.Context, db store.DB, workspace, after uuid.UUID, most int) ([]T, error) {
	const doing = "list definitions"
	var from place
	if after != uuid.Nil {
		places, err := store.Collect[place](ctx, db, definitionPlaceSQL, after, orNull(workspace))
		if err == nil && len(places) == 0 {
			err = unknownDefinition(after)
		}
		if err != nil {
			return nil, store.Wrap(err, doing)
		}
		from = places[0]
	}
	// Planned for what it is asked: one plan for all that can be asked reads and sorts all definitions.
	list, err := store.Collect[T](ctx, db, definitionsSQL, pgx.QueryExecModeCacheDescribe, orNull(workspace), from.Workspace, from.Name, most)
	return list, store.Wrap(err, doing)
}

func unknownDefinition(id uuid.UUID) error {
	return &store.RequestError{Kind: store.ErrUnknownDefinition, Message: "unknown workflow definition " + id.String(), Hint: "list them with: starter definition list"}
}

var definitionSQL = load("definition", "definition")

// Definition returns a definition at its current version. T has its Graph, too.
func Definition[T any](ctx context.Context, db store.DB, id uuid.UUID) (T, error) {
	found, err := one[T](ctx, db, definitionSQL, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = unknownDefinition(id)
	}
	return found, store.Wrap(err, "read definition")
}

var deleteDefinitionSQL = load("delete_definition", "definition", "workspace", "actor")

// DeleteDefinition deletes a definition of a workspace with its versions, and returns what it was.
func DeleteDefinition[T any](ctx context.Context, tx pgx.Tx, workspace, id uuid.UUID, actor string) (gone T, err error) {
	if err = tx.QueryRow(ctx, lockWorkspaceSQL, workspace).Scan(nil); err == nil {
		gone, err = one[T](ctx, tx, deleteDefinitionSQL, id, workspace, actor)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		err = unknownDefinition(id)
	}
	return gone, err
}

func orNull(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
