package queue

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Enqueue puts one item into the queue. When it returns without an error the item is committed and will start once, or end
// FAILED, CANCELLED or EXPIRED with a reason. Errors: ErrUnknownWorkspace, ErrUnknownDefinition, ErrForeignDefinition,
// ErrInvalid, or the database's own. A definition that was deleted less than 5 s ago may still be accepted: such items end
// FAILED, as those that were waiting for it do. When ctx ends first, or the connection is lost, the item may be in the queue or
// not: a UniqueKey makes it safe to try again, for as long as the item holds it. Calls that come at the same time share
// statements and commits.
func (c *Client) Enqueue(ctx context.Context, item Item) (Answer, error) {
	a, err := item.arrival()
	switch {
	case err != nil:
		return Answer{}, store.Wrap(err, "enqueue")
	case !a.Plain():
		return c.enqueueByFunction(ctx, &a)
	case c.shared == nil:
		return c.enqueueAlone(ctx, a)
	}
	a.Input = bytes.Clone(a.Input) // a caller that gives up may use its own for something else
	return c.shared.Do(ctx, a)
}

// EnqueueTx is Enqueue inside the caller's transaction: rolled back means never run, and nothing else waits for the
// transaction however long it stays open, except for a second enqueue of the same unique key. A function of the database does it,
// whatever role the transaction has taken on: an error of a statement would end the transaction.
func (c *Client) EnqueueTx(ctx context.Context, tx pgx.Tx, item Item) (Answer, error) {
	a, err := item.arrival()
	if err != nil {
		return Answer{}, store.Wrap(err, "enqueue")
	}
	return enqueueItem(ctx, tx, &a)
}

// enqueueAlone enqueues a plain item by a statement of its own. For a role that may not write the tables itself, and is known for
// that afterwards, a function of the database does it.
func (c *Client) enqueueAlone(ctx context.Context, a store.Arrival) (Answer, error) {
	if c.narrow.Load() {
		return c.enqueueByFunction(ctx, &a)
	}
	asked := time.Now()
	check := !c.checked.has(a.Ownership, asked)
	a.ID = uuid.Must(uuid.NewV7())
	switch err := c.transact(ctx, func(db store.DB) error { return store.Enqueue(ctx, db, &a, true, check) }); {
	case store.IsForbidden(err):
		answer, err := c.enqueueByFunction(ctx, &a)
		c.narrow.Store(err == nil)
		return answer, err
	case err != nil:
		return Answer{}, store.Wrap(err, "enqueue")
	}
	if check {
		c.checked.add(asked, a.Ownership)
	}
	return queued(a.ID), nil
}

// enqueueByFunction has a function of the database enqueue an item of any kind.
func (c *Client) enqueueByFunction(ctx context.Context, a *store.Arrival) (answer Answer, err error) {
	err = c.transact(ctx, func(db store.DB) (err error) {
		answer, err = enqueueItem(ctx, db, a)
		return err
	})
	return answer, err
}

// enqueueItem does that in any transaction.
func enqueueItem(ctx context.Context, db store.DB, a *store.Arrival) (Answer, error) {
	answer, err := store.EnqueueItem(ctx, db, a)
	return Answer(answer), store.Wrap(err, "enqueue")
}
