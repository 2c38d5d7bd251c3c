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

// FindWorkspace returns the workspace whose id that is, or that the platform knows by a key. As in sluice.workspace, an id has the usual
// form alone: in another one, such as without hyphens, it is a key.
func FindWorkspace[T any](ctx context.Context, db store.DB, key string) (T, error) {
	var id *uuid.UUID
	if parsed, err := uuid.Parse(key); err == nil && len(key) == 36 {
		id = &parsed
	}
	found, err := one[T](ctx, db, findWorkspaceSQL, key, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = &store.RequestError{Kind: store.ErrUnknownWorkspace, Message: fmt.Sprintf("unknown workspace %q", key), Hint: store.NoSuchKey(key)}
	}
	return found, store.Wrap(err, "look for a workspace")
}

var (
	lockNamesSQL       = load("lock_names")
	workspacesNamedSQL = load("workspaces_named", "name", "key")
)

// WorkspacesNamed returns the workspaces of a name, and the one of a key. Until the transaction ends, others who ask so wait, so
// that one of them can create what there is not.
func WorkspacesNamed[T any](ctx context.Context, tx pgx.Tx, name string, key *string) ([]T, error) {
	if _, err := tx.Exec(ctx, lockNamesSQL); err != nil {
		return nil, err
	}
	return store.Collect[T](ctx, tx, workspacesNamedSQL, name, key)
}

var giveKeySQL = load("give_key", "workspace", "key")

// GiveKey gives a workspace without a key one. ErrKeyTaken says that another workspace has it, or that this one has got another meanwhile.
func GiveKey[T any](ctx context.Context, tx pgx.Tx, workspace uuid.UUID, key string) (T, error) {
	given, err := one[T](ctx, tx, giveKeySQL, workspace, key)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrKeyTaken
	}
	return given, orTaken(err)
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

// ErrKeyTaken says that a workspace cannot have a key.
var ErrKeyTaken = store.Invalid("another workspace has this key already: take it away from that one first")

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
		return ErrKeyTaken
	}
	return err
}

func orUnknown(err error, workspace uuid.UUID) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return unknownWorkspace(workspace)
	}
	return err
}
