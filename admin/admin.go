package admin

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// Client administers the Sluice of one database. It may be used by several goroutines.
type Client struct{ pool *pgxpool.Pool }

// New returns a client that works on a pool of connections to a database with schema sluice. Closing the pool stays with the
// caller.
func New(pool *pgxpool.Pool) *Client { return &Client{pool: pool} }

// change makes a change in a transaction of its own, on behalf of an actor.
func (c *Client) change(ctx context.Context, doing, actor string, do func(tx pgx.Tx) error) error {
	if err := bounds.Words(actor); err != nil {
		return store.Wrap(store.Invalid("actor %v", err), doing)
	}
	return store.Wrap(pgx.BeginTxFunc(ctx, c.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := catalog.ActAs(ctx, tx, actor); err != nil {
			return err
		}
		return do(tx)
	}), doing)
}

// Shards is how many dispatchers share the workspaces: at least 1.
func (c *Client) Shards(ctx context.Context) (int, error) { return catalog.Shards(ctx, c.pool) }
