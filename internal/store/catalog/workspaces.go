package catalog

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

var createWorkspaceSQL = load("create_workspace", "name", "plan")

// CreateWorkspace creates a workspace. IsUnknownPlan tells an error that says that there is no such plan.
func CreateWorkspace[T any](ctx context.Context, tx pgx.Tx, name, plan string) (T, error) {
	return one[T](ctx, tx, createWorkspaceSQL, name, plan)
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

var setWorkspaceSQL = load("set_workspace", append(tierLimits[:len(tierLimits):len(tierLimits)], "set_cohort", "cohort", "set_hosts", "hosts", "workspace")...)

// SetWorkspace changes limits of a workspace. T also has Ceiling and Rate, which then hold for it.
func SetWorkspace[T any](ctx context.Context, tx pgx.Tx, workspace uuid.UUID, l Limits) (T, error) {
	changed, err := one[T](ctx, tx, setWorkspaceSQL, append(l.arguments(), l.Cohort.Set, l.Cohort.To, l.AllowedHosts.Set, l.AllowedHosts.To, workspace)...)
	return changed, orUnknown(err, workspace)
}

var workspaceLimitsSQL = load("workspace_limits", "workspaces")

// WorkspaceLimits lists what is set for workspaces, by name; for all of them if none is given.
func WorkspaceLimits[T any](ctx context.Context, db store.DB, workspaces ...uuid.UUID) ([]T, error) {
	list, err := store.Collect[T](ctx, db, workspaceLimitsSQL, append([]uuid.UUID{}, workspaces...))
	return list, store.Wrap(err, "list the limits of workspaces")
}

func orUnknown(err error, workspace uuid.UUID) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return unknownWorkspace(workspace)
	}
	return err
}
