package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// above finds those of the claims of one instant after which a cohort, or all workspaces together, held more than they could.
func (p *pools) above(at time.Time, claims []Held, slack time.Duration) (above []Breach) {
	if !slices.ContainsFunc(claims, p.suspect) {
		return nil
	}
	for _, of := range []func(uuid.UUID) (string, bool){p.all, p.cohort} {
		over := p.over(claims, of)
		if len(over) == 0 {
			continue
		}
		for _, claim := range p.within(at.Add(-slack), over, claims, of) {
			name, _ := of(claim.Workspace)
			above = append(above, Breach{claim.ID, p.breach(name, at)})
		}
	}
	return above
}

// suspect tells whether a pool of the claim's workspace holds more than it may.
func (p *pools) suspect(claim Held) bool {
	name, in := p.cohort(claim.Workspace)
	return p.of[fleet].over() || in && p.of[name].over()
}

// over are those of the claims of one instant that are above the limit of their pool.
func (p *pools) over(claims []Held, of func(uuid.UUID) (string, bool)) []Held {
	by := map[string][]Held{}
	for _, c := range claims {
		if name, in := of(c.Workspace); in {
			by[name] = append(by[name], c)
		}
	}
	var over []Held
	for name, claims := range by {
		if pool := p.of[name]; pool.over() {
			over = append(over, claims[len(claims)-min(len(claims), pool.used-pool.limit):]...)
		}
	}
	return over
}

// within are those of the claims that are over the limit that were so, too, under each state of the limits since a
// moment: it goes back from one to the one before it, with the slots as they are.
func (p *pools) within(since time.Time, over, claims []Held, of func(uuid.UUID) (string, bool)) []Held {
	back := p.moved
	for back > 0 && len(over) > 0 && p.history[back-1].at.After(since) {
		for at := p.history[back-1].at; back > 0 && p.history[back-1].at.Equal(at); back-- {
			p.move(p.history[back-1].member, p.history[back-1].from)
		}
		then := p.over(claims, of)
		over = slices.DeleteFunc(over, func(h Held) bool {
			return !slices.ContainsFunc(then, func(t Held) bool { return t.ID == h.ID })
		})
	}
	for ; back < p.moved; back++ {
		p.move(p.history[back].member, p.history[back].to)
	}
	return over
}

func (p *pools) breach(name string, at time.Time) string {
	of := "all workspaces together"
	if name != fleet {
		of = "cohort " + name
	}
	return fmt.Sprintf("claimed at %s as one of %d slots of %s, whose limit was %d", at.UTC().Format(time.RFC3339Nano), p.of[name].used, of, p.of[name].limit)
}

// Full tells whether at any time from one moment to another, both included, a limit that the workspace shares with
// others left no slot free.
func (s Shared) Full(held []Held, workspace uuid.UUID, from, to time.Time) bool {
	moments := []time.Time{from, to}
	for _, h := range held {
		moments = append(moments, h.From, h.To)
	}
	for _, s := range s {
		moments = append(moments, s.at)
	}
	slices.SortFunc(moments, func(a, b time.Time) int { return b.Compare(a) })
	held = slices.DeleteFunc(slices.Clone(held), Held.never)
	slices.SortFunc(held, byEnd)
	p := newPools(s)
	for _, at := range moments {
		if at.Before(from) || at.After(to) {
			continue
		}
		for len(held) > 0 && (held[0].To.IsZero() || held[0].To.After(at)) {
			p.add(held[0])
			held = held[1:]
		}
		p.undo(at)
		if name, in := p.cohort(workspace); p.of[fleet].full() || in && p.of[name].full() {
			return true
		}
	}
	return false
}
