package admin

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sluice/internal/store/catalog"
)

// GrantEnqueue allows a role of the database to enqueue, with SQL as with package queue, for any number of shards, and nothing else:
// it can read no item and no input, and write only what sluice.enqueue, sluice.enqueue_workflow and sluice.workspace write. It returns the statements that did it.
// The client's own role must own the schema. A role that could do more before still can.
func (c *Client) GrantEnqueue(ctx context.Context, role, actor string) (statements []string, err error) {
	err = c.change(ctx, "grant a role to enqueue", actor, func(tx pgx.Tx) error {
		statements, err = catalog.GrantEnqueue(ctx, tx, role)
		return err
	})
	return statements, err
}
