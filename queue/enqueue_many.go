package queue

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// EnqueueMany enqueues all items or none, in one transaction, and answers for each in the order given. Items without a key
// and times also start in that order within their workspace and priority. Use it for more than a handful: a thousand of those
// cost one statement. After an error that leaves open whether an item is in the queue, see Enqueue, all of them are or none.
func (c *Client) EnqueueMany(ctx context.Context, items []Item) ([]Answer, error) {
	narrow := c.narrow.Load()
	m, err := newMany(items, narrow)
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	check := c.checked.missing(m.plain, asked)
	switch err := c.transact(ctx, func(db store.DB) error { return m.enqueue(ctx, db, true, check) }); {
	case store.IsForbidden(err) && !narrow:
		if m, err = newMany(items, true); err == nil {
			err = c.transact(ctx, func(db store.DB) error { return m.enqueue(ctx, db, true, nil) })
		}
		if err != nil {
			return nil, err
		}
		c.narrow.Store(true)
		return m.answers, nil
	case err != nil:
		return nil, err
	}
	c.checked.add(asked, check...)
	return m.answers, nil
}

// EnqueueManyTx is EnqueueMany inside the caller's transaction.
func (c *Client) EnqueueManyTx(ctx context.Context, tx pgx.Tx, items []Item) ([]Answer, error) {
	may, err := store.MayInsert(ctx, tx, uuid.Must(uuid.NewV7())) // the transaction may have taken on another role than the pool's
	if err != nil {
		return nil, err
	}
	m, err := newMany(items, !may)
	if err != nil {
		return nil, err
	}
	var nothing checkedDefinitions // what the transaction sees may be its own doing
	if err := m.enqueue(ctx, tx, false, nothing.missing(m.plain, time.Now())); err != nil {
		return nil, err
	}
	return m.answers, nil
}

// many is items on their way into the queue, and the answers, complete when they are there.
type many struct {
	answers []Answer
	plain   []store.Arrival
	others  []store.Arrival
	places  []int // of the others, among all
}

// newMany checks the items. For a role that may not write the tables itself none counts as plain.
func newMany(items []Item, narrow bool) (*many, error) {
	m := &many{answers: make([]Answer, len(items)), plain: make([]store.Arrival, 0, len(items))}
	newID := ids(len(items))
	for n := range items {
		a, err := items[n].arrival()
		if err != nil {
			return nil, fmt.Errorf("enqueue %[2]d items: item %[1]d of %[2]d: %[3]w", n+1, len(items), err)
		}
		if narrow || !a.Plain() {
			m.others, m.places = append(m.others, a), append(m.places, n)
			continue
		}
		a.ID = newID()
		m.answers[n] = queued(a.ID)
		m.plain = append(m.plain, a)
	}
	m.sortOthers()
	return m, nil
}

// sortOthers brings the keys into an order, so that two calls with the same ones do not each wait for what the other holds.
func (m *many) sortOthers() {
	order := make([]int, len(m.others))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &m.others[i], &m.others[j]
		return cmp.Or(slices.Compare(a.WorkspaceID[:], b.WorkspaceID[:]), cmp.Compare(a.UniqueKey, b.UniqueKey))
	})
	others, places := make([]store.Arrival, len(order)), make([]int, len(order))
	for to, from := range order {
		others[to], places[to] = m.others[from], m.places[from]
	}
	m.others, m.places = others, places
}

// enqueue brings them all. Own says that db is not within a transaction; check has the pairs that are to be checked.
func (m *many) enqueue(ctx context.Context, db store.DB, own bool, check []store.Ownership) error {
	doing := fmt.Sprintf("enqueue %d items", len(m.answers))
	if len(m.others) == 0 {
		return store.Wrap(store.EnqueueMany(ctx, db, m.plain, own, check), doing)
	}
	err := store.EnqueueMixed(ctx, db, m.plain, m.others, check, func(i int, answer store.Enqueued, err error) error {
		place := m.places[i]
		if m.answers[place] = Answer(answer); err != nil {
			return store.Wrap(err, fmt.Sprintf("item %d of %d", place+1, len(m.answers)))
		}
		return nil
	})
	return store.Wrap(err, doing)
}

// ids returns a function whose ids are each later in their order than those before; it asks the system for randomness seldom.
func ids(n int) func() uuid.UUID {
	random := bufio.NewReaderSize(rand.Reader, min(n, 256)*len(uuid.UUID{}))
	return func() uuid.UUID { return uuid.Must(uuid.NewV7FromReader(random)) }
}
