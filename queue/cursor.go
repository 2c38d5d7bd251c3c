package queue

import (
	"bytes"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"sluice/internal/admission"
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

// nowhere are the cursors where nothing waits.
var nowhere = cursors{{past: true}, {past: true}, {past: true}, {past: true}, {past: true}}

func (c cursor) before(at time.Time, id uuid.UUID) bool {
	if order := c.at.Compare(at); order != 0 || c.past {
		return order < 0 && !c.past
	}
	return bytes.Compare(c.id[:], id[:]) < 0
}

// beyond tells whether an item at a place lies before the cursor, where there should be none.
func (c cursor) beyond(item cursor) bool { return c.past || item.before(c.at, c.id) }

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
//
// Where an item of one priority goes before all of the others, because they all begin later, that priority leads: the
// claim looks at it alone. It leads for a single item that is available before `until`, or, where there is no other
// priority, for all; zero means that none is known to. Looking at two priorities took the claim four times as long as at
// one.
type places struct {
	at          []pgtype.Timestamptz
	ids         []uuid.UUID
	priorities  []int
	first, last []int
	lead        []int
	until       []pgtype.Timestamptz
}

// placesOf are those for claims of so many items of each.
func placesOf(all []cursors, slots []int, ageing time.Duration) (p places) {
	for i, each := range all {
		p.first = append(p.first, len(p.ids)+1)
		var lead, unknown int
		var due, next time.Time // of the one that leads, and of the one behind it
		for n, c := range each {
			if c.past {
				continue
			}
			p.at, p.ids, p.priorities = append(p.at, c.timestamp()), append(p.ids, c.id), append(p.priorities, n+1)
			if c.at.IsZero() {
				unknown++
			}
			switch begins := admission.Due(c.at, n+1, ageing); {
			case lead == 0 || begins.Before(due):
				lead, due, next = len(p.ids), begins, due
			case next.IsZero() || begins.Before(next):
				next = begins
			}
		}
		p.last = append(p.last, len(p.ids))
		until := pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
		if p.first[i] < p.last[i] {
			if slots[i] != 1 || unknown > 1 {
				lead = 0
			} else {
				until = pgtype.Timestamptz{Time: next.Add(-time.Duration(p.priorities[lead-1]-1) * ageing), Valid: true}
			}
		}
		p.lead, p.until = append(p.lead, lead), append(p.until, until)
	}
	return p
}
