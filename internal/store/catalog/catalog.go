package catalog

import (
	"context"
	"embed"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

//go:embed sql/*.sql
var files embed.FS

func load(name string, parameters ...string) string { return store.Load(files, name, parameters...) }

var actAsSQL = load("act_as", "actor")

// ActAs says on whose behalf the transaction changes limits and plans.
func ActAs(ctx context.Context, tx pgx.Tx, actor string) error {
	_, err := tx.Exec(ctx, actAsSQL, actor)
	return err
}

// one reads the only row of a query into a struct; pgx.ErrNoRows says that there is none.
func one[T any](ctx context.Context, db store.DB, sql string, args ...any) (row T, err error) {
	rows, err := store.Collect[T](ctx, db, sql, args...)
	switch {
	case err != nil:
		return row, err
	case len(rows) == 0:
		return row, pgx.ErrNoRows
	}
	return rows[0], nil
}

func unknownWorkspace(id uuid.UUID) error {
	return &store.RequestError{Kind: store.ErrUnknownWorkspace, Message: "unknown workspace " + id.String(), Hint: "list them with: starter workspace list"}
}
