package queue

import (
	"bytes"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// priorities is how many there are: 1 (first) to 5.
const priorities = 5

// cursor is a place in the claim index, within one workspace and priority: no pending item lies before it. A claim that
// begins there does not walk over the rows that earlier claims have deleted, which an old snapshot, say of a backup,
// keeps in the index. The zero cursor is the beginning.
type cursor struct {
	at   time.Time
	id   uuid.UUID
	past bool // behind everything: there is nothing
}

// cursors are those of the priorities 1 to 5.
type cursors [priorities]cursor

func (c cursor) before(at time.Time, id uuid.UUID) bool {
	if order := c.at.Compare(at); order != 0 || c.past {
		return order < 0 && !c.past
	}
	return bytes.Compare(c.id[:], id[:]) < 0
}

// timestamp is how Postgres takes it.
func (c cursor) timestamp() pgtype.Timestamptz {
	switch {
	case c.past:
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	case c.at.IsZero():
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: c.at, Valid: true}
}

// pass moves the cursor of a priority on to an item that was taken.
func (c *cursors) pass(priority int, at time.Time, id uuid.UUID) {
	if one := &c[priority-1]; one.before(at, id) {
		*one = cursor{at: at, id: id}
	}
}

// lower moves all cursors back to a moment at which items of any priority became available.
func (c *cursors) lower(at time.Time) {
	for i := range c {
		if !c[i].before(at, uuid.Nil) {
			c[i] = cursor{at: at}
		}
	}
}

// cursorsAt are those of the first items.
func cursorsAt(at []*time.Time, ids []*uuid.UUID) (c cursors) {
	for i := range c {
		if at[i] == nil || ids[i] == nil {
			c[i].past = true
			continue
		}
		c[i] = cursor{at: *at[i], id: *ids[i]}
	}
	return c
}

// cursorArrays are parameters of a statement: five for each.
func cursorArrays(all []cursors) (at []pgtype.Timestamptz, ids []uuid.UUID) {
	at, ids = make([]pgtype.Timestamptz, 0, priorities*len(all)), make([]uuid.UUID, 0, priorities*len(all))
	for _, each := range all {
		for _, c := range each {
			at, ids = append(at, c.timestamp()), append(ids, c.id)
		}
	}
	return at, ids
}

// places are the cursors of several workspaces, as parameters of a statement: those that are past left out, and those of
// a workspace one after the other, from its first to its last. Their numbers begin with 1, and where a workspace has none
// the last is before the first.
type places struct {
	at          []pgtype.Timestamptz
	ids         []uuid.UUID
	priorities  []int
	first, last []int
}

func placesOf(all []cursors) (p places) {
	for _, each := range all {
		p.first = append(p.first, len(p.ids)+1)
		for i, c := range each {
			if !c.past {
				p.at, p.ids, p.priorities = append(p.at, c.timestamp()), append(p.ids, c.id), append(p.priorities, i+1)
			}
		}
		p.last = append(p.last, len(p.ids))
	}
	return p
}
