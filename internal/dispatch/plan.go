package dispatch

import (
	"bytes"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
)

// plan is what the next claim is to take.
type plan struct {
	run      int64
	decision admission.Decision
	taken    []pick    // in the order of their ids
	asked    time.Time // when its claim was, by the wall clock: the other one stands still while a machine is suspended
}

// pick is an item that a plan has taken out of its line.
type pick struct {
	item
	of       *workspace
	priority int8            // less one
	epoch    int             // of the workspace, when it was taken out of its line
	kept     admission.Cause // by the plan before
	claimed  bool
}

// decide lets the policy deal a batch, and takes the items that it grants out of their lines: of each workspace those that
// are due first, see admission.Due.
func (e *Engine) decide(batch int) {
	c := &e.cache
	e.retryLocked()
	c.refresh(batch)
	c.in.Batch, c.in.Now = batch, time.UnixMicro(c.now)
	var d admission.Decision
	if c.decided {
		d = c.decider.DecideAgain(c.in, c.changed)
	} else {
		d = c.decider.Decide(c.in)
	}
	c.decided, c.contended, c.changed = true, d.Contended, c.changed[:0]
	c.follow(&d)
	e.plan.decision, e.plan.taken = d, e.plan.taken[:0]
	for _, g := range d.Grants {
		w := c.whose[g.Workspace]
		for taken := 0; taken < g.Slots; {
			p := w.first(c.now, c.ageing)
			if p < 0 {
				break
			}
			next := pick{item: w.lines[p].pop(), of: w, priority: int8(p), epoch: w.epoch, kept: c.left[g.Workspace].kept}
			if c.held[next.id] != nil {
				e.doubled = append(e.doubled, next)
				continue
			}
			e.plan.taken = append(e.plan.taken, next)
			taken++
		}
		c.touch(w)
	}
	slices.SortFunc(e.plan.taken, func(a, b pick) int { return bytes.Compare(a.id[:], b.id[:]) })
}

// follow notes where workspaces have come to stand by a decision, and who competes.
func (c *cache) follow(d *admission.Decision) {
	for _, i := range d.Moved {
		w, laid := c.whose[i], &c.in.Workspaces[i]
		w.view.Tags, w.view.Places = laid.Tags, laid.Places
		if laid.Idle {
			c.touch(w)
		}
	}
	c.in.Follow(*d)
}

// first is the place of the line whose first item goes next, or -1.
func (w *workspace) first(now, ageing int64) int {
	best, due := -1, int64(math.MaxInt64)
	for p := range w.lines {
		if l := &w.lines[p]; len(l.items) > 0 && l.items[0].at <= now {
			if at := l.items[0].at + int64(p)*ageing; at < due {
				best, due = p, at
			}
		}
	}
	return best
}

// putBack undoes a plan that was not claimed.
func (e *Engine) putBack() {
	for i := range e.plan.taken {
		e.putBackItem(&e.plan.taken[i])
	}
	e.plan = plan{taken: e.plan.taken[:0]}
}

// putBackItem puts an item back into its line. Where that has been read anew it may not belong there any more: it is read again from there.
func (e *Engine) putBackItem(p *pick) {
	if l := &p.of.lines[p.priority]; p.epoch == p.of.epoch {
		l.add(p.item)
	} else {
		l.cut(p.at)
	}
	e.cache.touch(p.of)
}

// lockedItem is an item that a claim did not get because another transaction holds its row.
type lockedItem struct {
	pick
	workspace uuid.UUID
	again     int64 // when it is tried again, by the database's clock in microseconds
}

// lockedFor is how long such an item is left alone.
const lockedFor = 200 * time.Millisecond

// retryLocked puts back the items whose time to be tried again has come.
func (e *Engine) retryLocked() {
	e.locked = slices.DeleteFunc(e.locked, func(l lockedItem) bool {
		if l.again > e.cache.now {
			return false
		}
		if e.cache.byID[l.workspace] == l.of {
			e.putBackItem(&l.pick)
		}
		return true
	})
}

func (e *Engine) lockedDueIn() (in time.Duration) {
	for _, l := range e.locked {
		in = sooner(in, until(l.again, e.cache.now))
	}
	return in
}
