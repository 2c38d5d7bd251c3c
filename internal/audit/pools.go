package audit

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"
)

// pool is what its members bring together at one moment.
type pool struct{ limit, used, open int }

func (p *pool) full() bool { return p.open == 0 && p.used >= p.limit }
func (p *pool) over() bool { return p.open == 0 && p.used > p.limit }

// pools are all of them at one moment, which only moves back in time.
type pools struct {
	history Shared
	moved   int      // so much of it has happened
	open    slotHeap // the slots that are held, the one that was taken last first
	used    map[uuid.UUID]int
	shares  map[uuid.UUID]share
	of      map[string]*pool
}

// newPools are the pools after all that has happened, without any slot.
func newPools(history Shared) *pools {
	p := &pools{
		history: history, used: map[uuid.UUID]int{}, shares: map[uuid.UUID]share{uuid.Nil: unbounded}, of: map[string]*pool{fleet: {open: 1}},
		open: slotHeap{before: func(a, b Held) bool { return a.From.After(b.From) }},
	}
	for ; p.moved < len(history); p.moved++ {
		p.move(history[p.moved].member, history[p.moved].to)
	}
	return p
}

// add shows a slot whose end has been reached.
func (p *pools) add(h Held) {
	p.open.push(h)
	p.take(h.Workspace, 1)
}

// undo goes back to a moment: what happened later has not happened.
func (p *pools) undo(at time.Time) {
	for p.open.len() > 0 && p.open.first().From.After(at) {
		p.take(p.open.pop().Workspace, -1)
	}
	for p.moved > 0 && p.history[p.moved-1].at.After(at) {
		p.moved--
		p.move(p.history[p.moved].member, p.history[p.moved].from)
	}
}

// taken removes the slots that were taken at a moment, which is the last one, and returns them by their ids. They still count.
func (p *pools) taken(at time.Time) (taken []Held) {
	for p.open.len() > 0 && p.open.first().From.Equal(at) {
		taken = append(taken, p.open.pop())
	}
	slices.SortFunc(taken, func(a, b Held) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return taken
}

func (p *pools) take(workspace uuid.UUID, n int) {
	p.used[workspace] += n
	p.of[fleet].used += n
	if s := p.shares[workspace]; s.in {
		p.of[s.pool].used += n
	}
}

// move changes what a workspace brings.
func (p *pools) move(member uuid.UUID, to share) {
	bring := func(s share, sign int) {
		if !s.in {
			return
		}
		if p.of[s.pool] == nil {
			p.of[s.pool] = &pool{}
		}
		into := p.of[s.pool]
		into.used += sign * p.used[member]
		into.limit += sign * s.quota
		if s.open {
			into.open += sign
		}
	}
	bring(p.shares[member], -1)
	bring(to, 1)
	p.shares[member] = to
}

// cohort is the pool of a workspace beside that of the fleet.
func (p *pools) cohort(workspace uuid.UUID) (string, bool) {
	s := p.shares[workspace]
	return s.pool, s.in
}

func (p *pools) all(uuid.UUID) (string, bool) { return fleet, true }
