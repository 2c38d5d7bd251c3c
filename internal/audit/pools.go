package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// pool is what its members bring together at one moment.
type pool struct{ limit, used, open int }

func (p *pool) full() bool { return p.open == 0 && p.used >= p.limit }
func (p *pool) over() bool { return p.open == 0 && p.used > p.limit }

// pools are all of them at one moment, which only moves on.
type pools struct {
	history Shared
	moved   int    // so much of it
	starts  []Held // still to come, as all of these
	ends    []end
	used    map[uuid.UUID]int
	shares  map[uuid.UUID]share
	of      map[string]*pool
}

// end is when a workspace gives a slot back.
type end struct {
	at        time.Time
	workspace uuid.UUID
}

func newPools(held []Held, history Shared) *pools {
	p := &pools{
		history: history, used: map[uuid.UUID]int{}, shares: map[uuid.UUID]share{uuid.Nil: unbounded},
		of:     map[string]*pool{fleet: {open: 1}},
		starts: make([]Held, 0, len(held)), ends: make([]end, 0, len(held)),
	}
	for _, h := range held {
		if h.To.IsZero() || h.To.After(h.From) { // anything else never held a slot
			p.starts = append(p.starts, h)
		}
		if h.To.After(h.From) {
			p.ends = append(p.ends, end{h.To, h.Workspace})
		}
	}
	slices.SortFunc(p.starts, func(a, b Held) int { return cmp.Or(a.From.Compare(b.From), slices.Compare(a.ID[:], b.ID[:])) })
	slices.SortFunc(p.ends, func(a, b end) int { return a.at.Compare(b.at) })
	return p
}

// advance moves on to a moment, with all that happens at it, and returns the slots taken on the way.
func (p *pools) advance(to time.Time) (taken []Held) {
	for len(p.ends) > 0 && !p.ends[0].at.After(to) {
		p.take(p.ends[0].workspace, -1)
		p.ends = p.ends[1:]
	}
	n := 0
	for ; n < len(p.starts) && !p.starts[n].From.After(to); n++ {
		p.take(p.starts[n].Workspace, 1)
	}
	taken, p.starts = p.starts[:n], p.starts[n:]
	for p.moved < len(p.history) && !p.history[p.moved].at.After(to) {
		p.move(p.history[p.moved].member, p.history[p.moved].to)
		p.moved++
	}
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
