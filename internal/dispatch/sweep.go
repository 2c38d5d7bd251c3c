package dispatch

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// sweep looks at one line after the other although nothing was heard of it. It finds what no event tells, that items were
// cancelled, and what an event should have told and did not. It reads first items only; a claim finds out about the others.
type sweep struct {
	after lineKey // it has come so far
	next  time.Time
	known []lineKey // lines that had items when it began, in order, and that it has not come to
}

// lineKey names a line, in the order in which the index has them.
type lineKey struct {
	workspace uuid.UUID
	priority  int
}

func (k lineKey) compare(o lineKey) int {
	return cmp.Or(bytes.Compare(k.workspace[:], o.workspace[:]), cmp.Compare(k.priority, o.priority))
}

const (
	// A sweep looks at so many lines every so often: at 100,000 of them in six minutes.
	sweepLines = 16
	sweepEvery = 60 * time.Millisecond
	// sweepRest is how long it rests before it begins anew.
	sweepRest = 5 * time.Second
)

// sweeping is a part of a sweep.
type sweeping struct {
	asked bool
	first []store.FirstItem
}

// queue adds a statement that reads a part of the sweep, if one is due.
func (s *sweep) queue(b *pgx.Batch, now time.Time, part *sweeping) {
	if s.next.IsZero() {
		s.next = now.Add(sweepRest)
	}
	if now.Before(s.next) {
		return
	}
	part.asked, s.next = true, now.Add(sweepEvery)
	store.QueueBacklog(b, s.after.workspace, s.after.priority, sweepLines, &part.first)
}

// compare mends what is known by a part of the sweep.
func (s *sweep) compare(c *cache, part *sweeping, a *again) {
	if !part.asked {
		return
	}
	if s.after == (lineKey{}) {
		s.begin(c)
	}
	ended := len(part.first) < sweepLines
	for _, f := range part.first {
		key := lineKey{f.WorkspaceID, f.Priority}
		s.none(c, key, false)
		if len(s.known) > 0 && s.known[0] == key {
			s.known = s.known[1:]
		}
		i := item{id: f.ID, definition: f.DefinitionID, at: f.AvailableAt.UnixMicro()}
		if w := c.byID[f.WorkspaceID]; w != nil && c.lanePaused(w, lane{f.WorkflowType, f.DefinitionID}) {
			c.headPaused(w, f.Priority-1)
		} else if w != nil {
			switch l := &w.lines[f.Priority-1]; {
			case c.held[i.id] != nil:
				a.doubled = append(a.doubled, pick{item: i, of: w, priority: int8(f.Priority - 1), epoch: w.epoch})
			case l.begin(i):
				c.touch(w)
			}
		} else if !c.foreign[f.WorkspaceID] {
			c.foreign[f.WorkspaceID] = true
			a.fresh = append(a.fresh, f.WorkspaceID)
		}
		s.after = key
	}
	if ended {
		s.none(c, lineKey{}, true)
		s.after, s.next = lineKey{}, s.next.Add(sweepRest)
	}
}

// none empties the lines before one, or all that are left: the sweep has not met them.
func (s *sweep) none(c *cache, before lineKey, all bool) {
	for len(s.known) > 0 && (all || s.known[0].compare(before) < 0) {
		if w := c.byID[s.known[0].workspace]; w != nil {
			w.lines[s.known[0].priority-1] = line{done: true}
			c.touch(w)
		}
		s.known = s.known[1:]
	}
}

// begin notes which lines have items, and forgets the workspaces that have had none for as long as the last sweep took.
func (s *sweep) begin(c *cache) {
	clear(c.foreign)
	s.known = s.known[:0]
	for id, w := range c.byID {
		has := false
		for p := range w.lines {
			if len(w.lines[p].items) > 0 {
				has = true
				s.known = append(s.known, lineKey{id, p + 1})
			}
		}
		switch {
		case has:
			w.swept = false
		case w.swept && !c.lanesPaused(w):
			c.forget(w)
		default:
			w.swept = true
		}
	}
	slices.SortFunc(s.known, lineKey.compare)
}

// begin notes that an item is the first of its line. It returns whether that was news: items before it are gone, or it was not
// known itself, and then the line is read again from there.
func (l *line) begin(first item) bool {
	n, found := slices.BinarySearchFunc(l.items, first.place(), func(known item, p place) int { return known.place().compare(p) })
	if found {
		l.items = l.items[n:]
		return n > 0
	}
	if !l.done && first.place().compare(l.upTo) > 0 && len(l.items) == 0 {
		return false // a scan will find it
	}
	*l = line{items: []item{first}, upTo: first.place()}
	return true
}
