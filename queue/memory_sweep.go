package queue

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// sweep looks at one workspace after the other although nothing was heard of it. It finds what no bell tells: that all items
// were cancelled, or that some were passed over because somebody held them. For that the first items tell enough; counts that
// are too high are found out by a claim.
type sweep struct {
	after uuid.UUID // it has come so far; nil: it is to begin
	at    time.Time
	known []uuid.UUID // those that were remembered when it began and come after that
}

const (
	// A sweep comes to a workspace every so often, whatever the time between looks. So many at once are felt by nobody, and
	// fewer are not worth a statement.
	sweepEach   = 3 * time.Millisecond
	sweepAtMost = 32
	sweepFewest = 8
	// sweepPause is how long it rests before it begins anew.
	sweepPause = 5 * time.Second
)

// due is how many workspaces it is to look at now.
func (s *sweep) due(now time.Time) int {
	long := now.Sub(s.at)
	if n := int(min(long/sweepEach, sweepAtMost)); n >= sweepFewest && (s.after != uuid.Nil || long >= sweepPause) {
		return n
	}
	return 0
}

// headRow is the first item of a workspace at a priority.
type headRow struct {
	workspace uuid.UUID
	priority  int
	cursor
}

// swept is what a part of a sweep reads.
type swept struct {
	asked int // of how many workspaces; zero: it is not due
	heads []headRow
}

// beginSweep begins a part of the sweep, if one is due. It returns those who are known to be in it: their slots are to be
// counted.
func (m *Memory) beginSweep(now time.Time) (s swept, known []uuid.UUID) {
	if s.asked = m.sweep.due(now); s.asked == 0 {
		return s, nil
	}
	if m.sweep.after == uuid.Nil {
		m.sweep.known = slices.SortedFunc(maps.Keys(m.workspaces), compareIDs)
	}
	for _, id := range m.sweep.known[:min(s.asked, len(m.sweep.known))] {
		if m.workspaces[id] != nil {
			known = append(known, id)
		}
	}
	return s, known
}

// queueSweep adds a statement to the batch that reads the part. It must follow the one that reads the bells: who has no
// items then and has been heard of has none any more.
func (m *Memory) queueSweep(read *pgx.Batch, s *swept) {
	if s.asked == 0 {
		return
	}
	read.Queue(nextSQL, m.sweep.after, s.asked).Query(func(rows pgx.Rows) (err error) {
		s.heads, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (h headRow, err error) {
			err = row.Scan(&h.workspace, &h.priority, &h.at, &h.id)
			return h, err
		})
		return err
	})
}

// endSweep compares what is remembered with what a part of the sweep has read. Who is not known is looked at; of whom
// something lies where nothing should, all items; and who should have been met and was not has none. It is forgotten when
// it had none the last time either.
func (m *Memory) endSweep(s swept) {
	if s.asked == 0 {
		return
	}
	met := make(map[uuid.UUID]bool, s.asked)
	for _, h := range s.heads {
		met[h.workspace] = true
		w := m.workspaces[h.workspace]
		switch {
		case w == nil:
			m.look(h.workspace)
		case w.changed < everything && (!w.waits() || w.cursors[h.priority-1].beyond(h.cursor)):
			w.Ready, w.cursors = -1, cursors{}
			m.touch(w)
		}
	}
	last, ended := m.sweep.after, len(met) < s.asked
	if !ended {
		last = s.heads[len(s.heads)-1].workspace
	}
	for len(m.sweep.known) > 0 && (ended || compareIDs(m.sweep.known[0], last) <= 0) {
		id := m.sweep.known[0]
		m.sweep.known = m.sweep.known[1:]
		switch w := m.workspaces[id]; {
		case w == nil || met[id]:
		case w.idle || w.waits():
			m.forget(id)
		default:
			w.idle = true
		}
	}
	if m.sweep.after, m.sweep.at = last, m.shared.Now; ended {
		m.sweep.after = uuid.Nil
	}
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
