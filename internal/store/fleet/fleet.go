package fleet

import (
	"context"
	"embed"

	"github.com/google/uuid"

	"sluice/internal/store"
)

//go:embed sql/*.sql
var files embed.FS

var (
	seenSQL = store.Load(files, "seen", "worker", "identity", "workflow_types", "any_workflow", "activity_types", "any_activity", "workspaces")
	leftSQL = store.Load(files, "left", "worker")
	lookSQL = store.Load(files, "look", "worker", "workflow_types", "any_workflow", "named", "crowded")
)

// Worker is a process that hosts workspaces, with the types that it has beside Sluice's own.
type Worker struct {
	ID                       uuid.UUID
	Identity                 string
	WorkflowTypes            []string
	ActivityTypes            []string
	AnyWorkflow, AnyActivity bool // it has a dynamic one
}

// Workspace is one that needs a worker, as one worker sees it.
type Workspace struct {
	ID uuid.UUID
	// Lacks: the worker does not have every workflow type that the workspace's definitions name without a task queue.
	Lacks bool
	// Leaves: another live worker has all of these types that this one has, and more.
	Leaves bool
	// Elsewhere: another worker hosts it as well; Yields: and has the better right to, by a rule that all follow.
	Elsewhere, Yields bool
}

// Seen tells that a worker lives, and what it hosts.
func (w Worker) Seen(ctx context.Context, db store.DB, hosted []uuid.UUID) error {
	_, err := db.Exec(ctx, seenSQL, w.ID, w.Identity, orNone(w.WorkflowTypes), w.AnyWorkflow, orNone(w.ActivityTypes), w.AnyActivity, orNone(hosted))
	return store.Wrap(err, "tell of this worker")
}

// Left tells that a worker hosts nothing any more.
func (w Worker) Left(ctx context.Context, db store.DB) error {
	_, err := db.Exec(ctx, leftSQL, w.ID)
	return store.Wrap(err, "tell of this worker")
}

// Look returns the workspaces whose workflows need a worker: those that hold slots, and the named ones, which are about to.
// What waits in the queue needs none. Elsewhere and Yields are only told where it is asked for.
func (w Worker) Look(ctx context.Context, db store.DB, named []uuid.UUID, elsewhere bool) ([]Workspace, error) {
	list, err := store.Collect[Workspace](ctx, db, lookSQL, w.ID, orNone(w.WorkflowTypes), w.AnyWorkflow, orNone(named), elsewhere)
	return list, store.Wrap(err, "list the workspaces that need a worker")
}

// orNone is an array that is empty, and not NULL.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
