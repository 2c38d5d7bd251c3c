// Package slots counts the time for which executions hold their slots, and charges it to their workspaces as it goes.
//
// A start is charged what it is expected to take: as executions of its kind have taken of late, or else those of its workspace, or
// else any. When it ends, what it was charged too much is given back. While it takes longer it is charged again and again, each
// time for a quarter of what it has taken at least: what still runs counts as it runs.
//
// It is pure: it must not know a clock, SQL or Temporal. Where starts are counted it does nothing (admission.Input.CountsSlotTime).
package slots

import (
	"container/heap"
	"math"
	"time"

	"sluice/internal/admission"
)

// Ledger is the slots that are held under a policy's limits.
type Ledger struct {
	Fleet   Mean             // of all workspaces
	Input   *admission.Input // whose virtual times it keeps
	Touched func(*Account)   // is told which workspaces it has charged
	due     byUntil
	Longest Mean  // the longest of late
	passed  int64 // in microseconds, until when it is forgotten
}

// Hold is a slot that an execution holds.
type Hold struct {
	of    *Account
	kind  Kind
	began int64 // in microseconds
	until int64 // until when it is charged, or is to be looked at again
	class admission.Class
	paid  bool // it is charged for the time until then
	place int  // in Ledger.due
}

// Begin charges a slot that is taken now.
func (l *Ledger) Begin(h *Hold, a *Account, kind Kind, class admission.Class, now time.Time) {
	l.Resume(h, a, kind, class, now, now)
}

// Resume is Begin for a slot that has been held since then, of which nothing is known any more. What is still to come of what it was charged is
// about what is charged now: the tag on record holds it (admission.Input.Recall), and at the end it is given back.
func (l *Ledger) Resume(h *Hold, a *Account, kind Kind, class admission.Class, since, now time.Time) {
	if !l.Input.CountsSlotTime {
		return
	}
	if since.After(now) { // the clock was ahead when it began
		since = now
	}
	*h = Hold{of: a, kind: kind, began: since.UnixMicro(), class: class, paid: true}
	charged, taken := l.expectedOf(a, kind), now.Sub(since)
	for charged <= taken {
		charged += min(max(charged/4, leastStep), longestStep)
	}
	h.until = h.began + charged.Microseconds()
	l.Input.Start(a.Workspace, class, admission.SlotTime(charged-taken))
	heap.Push(&l.due, h)
}

// step is for how long one is charged that takes longer than it was charged for.
func (l *Ledger) step(h *Hold, now time.Time) time.Duration {
	taken := time.Duration(now.UnixMicro()-h.began) * time.Microsecond
	return min(max(taken/4, leastStep), l.expectedOf(h.of, h.kind)+taken, longestStep)
}

// leastStep keeps executions that are much shorter than a cycle from being charged all the time.
const leastStep = 100 * time.Millisecond

// longestStep is the most that one is charged for at once: admission.SlotTime counts no longer time.
const longestStep = 24 * time.Hour

// Pass moves the clocks on to a time, and charges what is still held by then.
func (l *Ledger) Pass(now time.Time) {
	l.Input.Pass(now)
	l.forget(now)
	for at := now.UnixMicro(); len(l.due) > 0 && l.due[0].until <= at; {
		h := l.due[0]
		more := l.step(h, now)
		cost := admission.SlotTime(more)
		if h.paid {
			cost += admission.SlotTime(time.Duration(at-h.until) * time.Microsecond)
		}
		switch pays := l.Input.Extend(h.of.Workspace, h.class, cost, !h.paid); {
		case !pays && h.paid:
			l.Input.End(h.of.Workspace, h.class, 0)
			h.paid = false
		case pays:
			h.paid = true
		}
		h.until = at + more.Microseconds()
		heap.Fix(&l.due, 0)
		l.Touched(h.of)
	}
}

// End gives back what a slot was charged too much, and learns from it how long executions take.
func (l *Ledger) End(h *Hold, now time.Time) {
	if h.of == nil {
		return
	}
	taken := float64(max(0, now.UnixMicro()-h.began))
	h.of.add(h.kind, taken)
	l.Fleet.add(taken)
	l.Longest.Micros = max(taken, l.Longest.Micros)
	l.Learn()
	l.Drop(h, now)
}

// forget has the longest execution count for half as much a day later. It is not forgotten by how many executions have ended: then many short ones
// would have it forgotten before the next long one ends. In a simulation of executions of 300 s beside a hundred of 0.2 s each second, the
// workspace with the long ones held 1.6 times its share.
func (l *Ledger) forget(now time.Time) {
	at := now.UnixMicro()
	if l.passed != 0 && at > l.passed {
		l.Longest.Micros *= math.Exp2(float64(l.passed-at) / dayMicros)
		l.Learn()
	}
	l.passed = at
}

const dayMicros = float64(24 * time.Hour / time.Microsecond)

// Learn has the policy know the longest execution of late.
func (l *Ledger) Learn() {
	l.Input.Longest = LongestOf(l.Longest, l.Fleet)
}

// LongestOf is what the longest execution of late has cost, as far as it is known.
func LongestOf(longest, all Mean) admission.VirtualTime {
	return admission.SlotTime(max(duration(longest.Micros), all.Expected(all)))
}

// Drop is End for one that was not started.
func (l *Ledger) Drop(h *Hold, now time.Time) {
	if h.of == nil {
		return
	}
	if h.paid {
		left := time.Duration(h.until-now.UnixMicro()) * time.Microsecond
		l.Input.End(h.of.Workspace, h.class, admission.SlotTime(left)-admission.SlotTime(-left))
	}
	heap.Remove(&l.due, h.place)
	l.Touched(h.of)
	*h = Hold{}
}

// byUntil is the slots by when they are to be looked at next, a heap.
type byUntil []*Hold

func (q byUntil) Len() int           { return len(q) }
func (q byUntil) Less(i, j int) bool { return q[i].until < q[j].until }

func (q byUntil) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *byUntil) Push(h any) {
	h.(*Hold).place = len(*q)
	*q = append(*q, h.(*Hold))
}

func (q *byUntil) Pop() any {
	last := len(*q) - 1
	h := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return h
}
