package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

var grantEnqueueSQL = load("grant_enqueue", "role")

// GrantEnqueue allows a role to enqueue, and returns the statements that did it.
func GrantEnqueue(ctx context.Context, tx pgx.Tx, role string) ([]string, error) {
	statements, err := store.Values[string](ctx, tx, grantEnqueueSQL, role)
	if err == nil && len(statements) == 0 {
		err = &store.RequestError{Kind: store.ErrInvalid, Message: fmt.Sprintf("there is no role %q", role), Hint: "create it first, or look it up in pg_roles"}
	}
	for i := 0; err == nil && i < len(statements); i++ {
		_, err = tx.Exec(ctx, statements[i])
	}
	return statements, err
}
