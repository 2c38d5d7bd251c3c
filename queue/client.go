package queue

import (
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/internal/gather"
	"sluice/internal/store"
)

// Client is the queue in one database. It is safe for concurrent use.
type Client struct {
	pool    store.AnyPool
	checked checkedDefinitions
	narrow  atomic.Bool                             // the role of the pool may only call sluice.enqueue, or this machine's clock is far ahead
	shared  *gather.Gatherer[store.Arrival, Answer] // nil: enqueues of this pool share no statements
	encode  client.Options                          // with which workflows are encoded
	looks   *gather.Gatherer[uuid.UUID, State]      // of Get; nil in the same case
	peeks   *gather.Gatherer[uuid.UUID, State]      // of Wait, without inputs and results
}

// New returns the queue in the pool's database, whose schema must be migrated. The pool stays the caller's to close; a Client
// needs no closing.
func New(pool *pgxpool.Pool, options ...Option) *Client {
	c := &Client{pool: store.AnyPool{Pool: pool}}
	for _, option := range options {
		option(c)
	}
	c.shared, c.looks, c.peeks = c.sharing(), c.looking(whole, wholeLook), c.looking(bare, 0)
	return c
}

// What is wrong with a request. Test with errors.Is; the message names the offending value and says how to mend it.
var (
	ErrUnknownWorkspace  = store.ErrUnknownWorkspace
	ErrUnknownDefinition = store.ErrUnknownDefinition
	ErrForeignDefinition = store.ErrForeignDefinition
	ErrUnknownItem       = store.ErrUnknownItem
	ErrInvalid           = store.ErrInvalid
	ErrKeyHeld           = store.ErrKeyHeld
)
