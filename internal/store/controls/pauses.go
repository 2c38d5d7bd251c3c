package controls

import (
	"context"
	"embed"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice/internal/store"
)

//go:embed sql/*.sql
var files embed.FS

func load(name string, parameters ...string) string { return store.Load(files, name, parameters...) }

// Scope is what is paused. The zero Scope is everything.
type Scope struct {
	WorkspaceID  uuid.UUID
	WorkflowType string
	DefinitionID uuid.UUID
}

// Term is how long something holds: For so long, or Until a time; zero values stand for no end.
type Term struct {
	For   time.Duration
	Until time.Time
}

var (
	pauseSQL        = load("pause", "workspace", "type", "definition", "actor", "reason", "for", "until")
	forgetPausesSQL = load("forget_pauses")
	resumeSQL       = load("resume", "workspace", "type", "definition")
	becauseSQL      = load("because", "reason")
	pausesSQL       = load("pauses")
	ownerSQL        = load("definition_owner", "definition")
)

// Pause pauses something for a term. It returns false where it was paused just so before.
func Pause(ctx context.Context, tx pgx.Tx, s Scope, t Term, actor, reason string) (changed bool, err error) {
	if _, err := tx.Exec(ctx, forgetPausesSQL); err != nil {
		return false, err
	}
	var id uuid.UUID
	var over bool
	err = tx.QueryRow(ctx, pauseSQL, orNull(s.WorkspaceID), orNull(s.WorkflowType), orNull(s.DefinitionID), actor, reason, orNull(t.For), orNull(t.Until)).Scan(&id, &over)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, unknownScope(err, s)
	case over:
		return false, store.Invalid("until %s lies in the past, by the clock of the database", t.Until.UTC().Format(time.RFC3339))
	}
	return true, nil
}

// Resume ends a pause, for a reason. It returns false where nothing was paused so.
func Resume(ctx context.Context, tx pgx.Tx, s Scope, reason string) (held bool, err error) {
	if _, err := tx.Exec(ctx, becauseSQL, reason); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, resumeSQL, orNull(s.WorkspaceID), orNull(s.WorkflowType), orNull(s.DefinitionID)).Scan(&held)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return held, err
}

// Pauses lists the pauses that hold, the latest first.
func Pauses[T any](ctx context.Context, db store.DB) ([]T, error) {
	list, err := store.Collect[T](ctx, db, pausesSQL)
	return list, store.Wrap(err, "list pauses")
}

// QueuePauses adds Pauses to a batch.
func QueuePauses[T any](b *pgx.Batch, to *[]T) { store.QueueCollect(b, to, pausesSQL) }

// DefinitionOwner is the workspace of a definition.
func DefinitionOwner(ctx context.Context, db store.DB, definition uuid.UUID) (owner uuid.UUID, err error) {
	owners, err := store.Values[uuid.UUID](ctx, db, ownerSQL, definition)
	if err == nil && len(owners) == 0 {
		return owner, unknownDefinition(definition)
	}
	if err != nil {
		return owner, err
	}
	return owners[0], nil
}

// unknownScope says what there is not of a scope.
func unknownScope(err error, s Scope) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23503" {
		return err
	}
	if pg.ConstraintName == "pauses_workflow_definition_id_fkey" {
		return unknownDefinition(s.DefinitionID)
	}
	return unknownWorkspace(s.WorkspaceID)
}

func unknownWorkspace(id uuid.UUID) error {
	return &store.RequestError{Kind: store.ErrUnknownWorkspace, Message: "unknown workspace " + id.String(), Hint: "list them with: starter workspace list"}
}

func unknownDefinition(id uuid.UUID) error {
	return &store.RequestError{Kind: store.ErrUnknownDefinition, Message: "unknown workflow definition " + id.String(), Hint: "list them with: starter definition list"}
}

// orNull is NULL for the zero value.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
