package admission

import (
	"math"
	"time"
)

// SlotTime is what holding a slot for a time costs, before the weight: a second is as much as a start where starts are counted.
func SlotTime(d time.Duration) VirtualTime {
	return VirtualTime(min(max(d, 0), mostSlotTime).Microseconds()) * perMicrosecond
}

const (
	perMicrosecond = Stride / 1_000_000
	mostSlotTime   = 24 * time.Hour
)

// slotTime is that of many slots, in microseconds. As a virtual time, that of a hundred thousand would overflow which are held for a day each.
type slotTime int64

// per is what it comes to for so much weight. More than farAway comes to that.
func (t slotTime) per(weight int) VirtualTime {
	of := slotTime(max(1, weight))
	if exact := slotTime(math.MaxInt64 / perMicrosecond); t < -exact || t > exact {
		t, of = min(max(t/of, -exact), exact), 1
	}
	return min(max(VirtualTime(t)*perMicrosecond/VirtualTime(of), -farAway), farAway)
}

// Held are slots that are held now, and how much of what they have been charged is still to come.
type Held struct {
	n    int
	left slotTime
	at   int64 // in microseconds, until when it is worked out
}

// pass works out what has been used until a time, and returns it.
func (h *Held) pass(now int64) (used slotTime) {
	if h.at != 0 {
		used = slotTime(h.n) * slotTime(min(max(now-h.at, 0), longestPass))
		h.left -= used
	}
	h.at = now
	return used
}

// add notes so many more slots, and what they are charged.
func (h *Held) add(n int, left slotTime) {
	if h.n, h.left = h.n+n, h.left+left; h.n == 0 {
		h.left = 0
	}
}

// longestPass is the longest time that is worked out at once, in microseconds.
const longestPass = int64(time.Hour / time.Microsecond)

// Pass moves the clocks on to a time where slot time is counted. The ideal schedule divides the slots in use among all to whom it
// gives something, so the clocks run as slots are really used, whatever they were expected to be used for. The slots of workspaces that are Full
// do not count.
func (in *Input) Pass(now time.Time) {
	if !in.CountsSlotTime {
		return
	}
	in.at = now.UnixMicro()
	for class := range classes {
		if used := in.held[class].pass(in.at) - in.full[class].pass(in.at); in.active[class] > 0 {
			in.Clocks[class] += used.per(in.active[class])
		}
		for i := range in.Cohorts {
			c := &in.Cohorts[i]
			if used := c.held[class].pass(in.at) - c.full[class].pass(in.at); c.active[class] > 0 {
				c.Clocks[class] += used.per(c.active[class])
			}
		}
	}
}

// Next is the class of the next slot that who holds so many takes.
func (q Quota) Next(used int) Class {
	if q.own(used) > 0 {
		return Own
	}
	return Borrowed
}

// Start charges a workspace what a slot is expected to cost that it takes now.
func (in *Input) Start(w *Workspace, class Class, cost VirtualTime) { in.spend(w, class, 1, cost) }

// Extend charges a workspace for a slot that it holds longer than it has been charged for, or was not charged for at all: then it
// is another one. It does not, and says so, if the workspace would lie further ahead of the clock, for slots that it does not hold any
// more, than the longest execution of late: nobody pays for ever for one long execution.
func (in *Input) Extend(w *Workspace, class Class, cost VirtualTime, another bool) bool {
	clock := in.clockOf(w, class)
	eligible := in.held[class].eligible(&in.full[class], clock, in.active[class])
	if w.Cohort != NoCohort {
		c := &in.Cohorts[w.Cohort]
		eligible = c.held[class].eligible(&c.full[class], clock, c.active[class])
	}
	h := &w.held[class]
	h.pass(in.at)
	ahead := max(w.Absolute(class, clock), clock) - eligible
	if w.Places[class] != Full && ahead+shared(cost, w.Weight) > max(h.left, 0).per(w.Weight)+shared(cost+in.longest(), w.Weight) {
		return false
	}
	n := 0
	if another {
		n = 1
	}
	in.spend(w, class, n, cost)
	return true
}

// End takes back what a slot has been charged and was not held for.
func (in *Input) End(w *Workspace, class Class, left VirtualTime) { in.spend(w, class, -1, -left) }

// Reweigh has a workspace compete with another weight from now on, and its cohort with that of all its members. What is still to come of
// what was charged is charged by the new weight: that is how it is given back.
func (in *Input) Reweigh(w *Workspace, weight int) {
	if weight == w.Weight {
		return
	}
	for class := range classes {
		w.Places[class], w.Tags[class] = w.held[class].reweighed(in, w.Places[class], w.Tags[class], in.clockOf(w, class), w.Weight, weight)
		if w.Cohort != NoCohort {
			c := &in.Cohorts[w.Cohort]
			c.Places[class], c.Tags[class] = c.held[class].reweighed(in, c.Places[class], c.Tags[class], in.Clocks[class], c.Weight, c.Weight-w.Weight+weight)
		}
	}
	if w.Cohort != NoCohort {
		in.Cohorts[w.Cohort].Weight += weight - w.Weight
	}
	w.Weight = weight
}

// reweighed is where one stands whose weight was another.
func (h *Held) reweighed(in *Input, p Place, tag, clock VirtualTime, was, weight int) (Place, VirtualTime) {
	h.pass(in.at)
	return p.moved(tag, clock, h.left.per(weight)-h.left.per(was))
}

// spend books slots that are held from now on and what they cost, for a workspace, its cohort, and those that each stands among.
func (in *Input) spend(w *Workspace, class Class, n int, cost VirtualTime) {
	add := func(h *Held) {
		h.pass(in.at)
		h.add(n, slotTime(cost/perMicrosecond))
	}
	add(&w.held[class])
	switch {
	case w.Places[class] != Full:
	case w.Cohort == NoCohort:
		add(&in.full[class])
	default:
		add(&in.Cohorts[w.Cohort].full[class])
	}
	w.Places[class], w.Tags[class] = w.Places[class].charged(w.Tags[class], in.clockOf(w, class), cost, w.Weight)
	add(&in.held[class])
	if w.Cohort != NoCohort {
		c := &in.Cohorts[w.Cohort]
		add(&c.held[class])
		c.Places[class], c.Tags[class] = c.Places[class].charged(c.Tags[class], in.Clocks[class], cost, c.Weight)
	}
}

// charged is where one stands after it was charged a cost, or got one back.
func (p Place) charged(tag, clock, cost VirtualTime, weight int) (Place, VirtualTime) {
	return p.moved(tag, clock, perWeight(cost, weight))
}

// moved is where one stands whose next start is due so much later.
func (p Place) moved(tag, clock, by VirtualTime) (Place, VirtualTime) {
	switch {
	case p == Full:
		return p, tag // which is without what it is charged
	case p == Outside && by <= 0:
		return p, tag // its tag is no time of this clock, and the ideal schedule has given it all that it was charged
	case p == Outside:
		return Ahead, clock + by
	case p == Owed && tag+by > 0:
		return Ahead, clock + tag + by
	case p == Ahead && by < 0 && tag+by < clock:
		return Owed, tag + by - clock // if it has items; who has none is owed nothing, as the next decision will find
	}
	return p, min(tag+by, clock+farAway) // a dispatcher that begins charges all that are held before it decides
}

func (in *Input) clockOf(w *Workspace, class Class) VirtualTime {
	if w.Cohort == NoCohort {
		return in.Clocks[class]
	}
	return in.Cohorts[w.Cohort].Clocks[class]
}

// longest is the longest execution of late, as far as it is known.
func (in *Input) longest() VirtualTime {
	if in.Longest > 0 {
		return min(in.Longest, mostCost)
	}
	return Stride
}

// owedAtMost is how far behind the clock one may come to stand, before its weight. Where starts are counted it cannot be more than
// one.
func (in *Input) owedAtMost() VirtualTime {
	if in.CountsSlotTime {
		return in.longest()
	}
	return farAway
}

// eligible is where the clock stands for those that wait: they compete with slots that are paid for and not used up, but not with those of
// workspaces that are Full.
func (h *Held) eligible(full *Held, clock VirtualTime, active int) VirtualTime {
	if left := h.left - full.left; left > 0 && active > 0 {
		return clock + left.per(active)
	}
	return clock
}
