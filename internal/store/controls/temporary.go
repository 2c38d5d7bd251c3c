package controls

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Limit is one of a workspace, by the name of its column, and its value.
type Limit struct {
	Name  string
	Value float64
}

// Temporary is a limit that holds for a time.
type Temporary struct {
	WorkspaceID uuid.UUID
	Name        string
	Value       float64
	Until       time.Time
	Actor       string
	Reason      string
}

// InForce is what holds for a workspace now, for good or for a time, of its own or of its plan.
type InForce struct {
	Name    string
	Ceiling int
	Nominal *int
	Rate    *float64
	Burst   *int
}

var (
	setTemporarySQL    = load("set_temporary", "workspace", "names", "values", "for", "until", "actor", "reason")
	endTemporarySQL    = load("end_temporary", "workspace", "names")
	forgetTemporarySQL = load("forget_temporary")
	temporarySQL       = load("temporary", "workspaces")
	inForceSQL         = load("in_force", "workspace")
)

// SetTemporary sets limits of a workspace for a term, and returns what then holds for it.
func SetTemporary(ctx context.Context, tx pgx.Tx, workspace uuid.UUID, limits []Limit, t Term, actor, reason string) (f InForce, err error) {
	if _, err := tx.Exec(ctx, forgetTemporarySQL); err != nil {
		return f, err
	}
	names, values := make([]string, len(limits)), make([]float64, len(limits))
	for i, l := range limits {
		names[i], values[i] = l.Name, l.Value
	}
	over, err := store.Values[bool](ctx, tx, setTemporarySQL, workspace, names, values, orNull(t.For), orNull(t.Until), actor, reason)
	switch {
	case err != nil:
		return f, err
	case len(over) == 0:
		return f, unknownWorkspace(workspace)
	case over[0]:
		return f, store.Invalid("until %s lies in the past, by the clock of the database", t.Until.UTC().Format(time.RFC3339))
	}
	found, err := store.Collect[InForce](ctx, tx, inForceSQL, workspace)
	if err != nil || len(found) == 0 {
		return f, err
	}
	return found[0], nil
}

// EndTemporary ends limits for a time of a workspace, these or with nil all, and returns how many still held.
func EndTemporary(ctx context.Context, tx pgx.Tx, workspace uuid.UUID, names []string) (n int64, err error) {
	err = tx.QueryRow(ctx, endTemporarySQL, workspace, names).Scan(&n)
	return n, err
}

// TemporaryOf lists the limits that hold for a time, of some workspaces, or of all where none is given.
func TemporaryOf(ctx context.Context, db store.DB, workspaces ...uuid.UUID) ([]Temporary, error) {
	list, err := store.Collect[Temporary](ctx, db, temporarySQL, append([]uuid.UUID{}, workspaces...))
	return list, store.Wrap(err, "list limits for a time")
}
