package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice/internal/store"
)

var createWorkspaceSQL = load("create_workspace", "id", "name", "plan", "key")

// NewWorkspace is a workspace that is to be created.
type NewWorkspace struct {
	ID         *uuid.UUID // nil: it gets one
	Name, Plan string
	Key        *string
}

// CreateWorkspace creates a workspace. IsUnknownPlan tells an error that says that there is no such plan; store.ErrInvalid says that
// its id or its key is another's.
func CreateWorkspace[T any](ctx context.Context, tx pgx.Tx, w NewWorkspace) (T, error) {
	created, err := one[T](ctx, tx, createWorkspaceSQL, w.ID, w.Name, w.Plan, w.Key)
	return created, orTaken(err)
}

var findWorkspaceSQL = load("find_workspace", "key", "id")

// FindWorkspace returns the workspace that the platform knows by a key, or whose id that is.
func FindWorkspace[T any](ctx context.Context, db store.DB, key string) (T, error) {
	var id *uuid.UUID
	if parsed, err := uuid.Parse(key); err == nil {
		id = &parsed
	}
	found, err := one[T](ctx, db, findWorkspaceSQL, key, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = &store.RequestError{Kind: store.ErrUnknownWorkspace, Message: fmt.Sprintf("unknown workspace %q", key), Hint: "list them with: starter workspace list"}
	}
	return found, store.Wrap(err, "look for a workspace")
}

var (
	lockNameSQL        = load("lock_name", "name")
	workspacesNamedSQL = load("workspaces_named", "name")
)

// WorkspacesNamed returns the workspaces of a name. Until the transaction ends, others who ask for the same name wait, so
// that one of them can create what there is not.
func WorkspacesNamed[T any](ctx context.Context, tx pgx.Tx, name string) ([]T, error) {
	if _, err := tx.Exec(ctx, lockNameSQL, name); err != nil {
		return nil, err
	}
	return store.Collect[T](ctx, tx, workspacesNamedSQL, name)
}

var setPlanSQL = load("set_plan", "workspace", "plan")

// SetPlan moves a workspace to another plan.
func SetPlan[T any](ctx context.Context, tx pgx.Tx, workspace uuid.UUID, plan string) (T, error) {
	changed, err := one[T](ctx, tx, setPlanSQL, workspace, plan)
	return changed, orUnknown(err, workspace)
}

var setWorkspaceSQL = load("set_workspace", append(tierLimits[:len(tierLimits):len(tierLimits)], "set_cohort", "cohort", "set_hosts", "hosts", "set_key", "key", "workspace")...)

// SetWorkspace changes limits of a workspace. T also has Ceiling and Rate, which then hold for it.
func SetWorkspace[T any](ctx context.Context, tx pgx.Tx, workspace uuid.UUID, l Limits) (T, error) {
	changed, err := one[T](ctx, tx, setWorkspaceSQL, append(l.arguments(), l.Cohort.Set, l.Cohort.To, l.AllowedHosts.Set, l.AllowedHosts.To,
		l.ExternalKey.Set, l.ExternalKey.To, workspace)...)
	return changed, orTaken(orUnknown(err, workspace))
}

var workspaceLimitsSQL = load("workspace_limits", "workspaces")

// WorkspaceLimits lists what is set for workspaces, by name; for all of them if none is given.
func WorkspaceLimits[T any](ctx context.Context, db store.DB, workspaces ...uuid.UUID) ([]T, error) {
	list, err := store.Collect[T](ctx, db, workspaceLimitsSQL, append([]uuid.UUID{}, workspaces...))
	return list, store.Wrap(err, "list the limits of workspaces")
}

// orTaken says what a workspace cannot have because another one has it.
func orTaken(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23505" {
		return err
	}
	switch pg.ConstraintName {
	case "workspaces_pkey":
		return store.Invalid("there is a workspace of this id already")
	case "workspaces_external_key_key":
		return store.Invalid("another workspace has this key already: take it away from that one first")
	}
	return err
}

func orUnknown(err error, workspace uuid.UUID) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return unknownWorkspace(workspace)
	}
	return err
}
