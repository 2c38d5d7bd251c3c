package audit

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// JudgeShared finds the claims since a moment after which a cohort, or all workspaces together, held more than they
// could. As in JudgeClaims a claim may follow any limits, and any members of the cohort, that were in force within the
// slack before it; of the claims of one instant as many are above the limit as slots are held above it; and what was
// reopened counts and is not judged.
func JudgeShared(held []Held, history Shared, since time.Time, slack time.Duration) []Breach {
	var above []Breach
	if len(history) == 0 { // there never was a limit
		return nil
	}
	p := newPools(held, history)
	for len(p.starts) > 0 {
		at := p.starts[0].From
		claims := p.advance(at)
		if at.Before(since) || !slices.ContainsFunc(claims, p.suspect) {
			continue
		}
		claims = slices.DeleteFunc(slices.Clone(claims), func(h Held) bool { return h.Reopened })
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
	}
	slices.SortStableFunc(above, func(a, b Breach) int { return bytes.Compare(a.ID[:], b.ID[:]) })
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
	moments := []time.Time{from}
	for _, h := range held {
		moments = append(moments, h.From, h.To)
	}
	for _, s := range s {
		moments = append(moments, s.at)
	}
	slices.SortFunc(moments, time.Time.Compare)
	p := newPools(held, s)
	for _, at := range moments {
		if at.Before(from) || at.After(to) {
			continue
		}
		p.advance(at)
		if name, in := p.cohort(workspace); p.of[fleet].full() || in && p.of[name].full() {
			return true
		}
	}
	return false
}
