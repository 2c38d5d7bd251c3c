package admission

import (
	"math"
	"slices"
	"time"
)

// roster is what a decision needs of each workspace, and no more than that, side by side: a decision runs over all of them,
// and what it has found out about those that have not changed serves the next one.
type roster struct {
	all     []measured      // by their places in Input.Workspaces
	waiting [causes + 1]int // how many have no room, by why; the last is of those that have
	// reserving is how many have something in reserve.
	reserving int
}

// measured is a workspace with the room it has.
type measured struct {
	tags     Tags
	cost     VirtualTime // of a start
	price    VirtualTime // the same at its weight
	since    int64
	weight   int
	reserve  int32 // how many starts it could take that are not its cohort's
	own, all int32 // how many starts of its own, and how many in all, it could take if it were the only one
	cohort   int32
	why      Cause // it has no room
	rated    bool  // its room changes with the time
	places   Places
	holds    [classes]int32 // slots that were taken from a class
}

// begin measures all anew.
func (r *roster) begin(in *Input) {
	*r = roster{all: r.all[:0]}
	r.goOn(in, nil)
}

// goOn measures those at the places that have changed, and all that lie behind those it knew.
func (r *roster) goOn(in *Input, changed []int32) {
	known, n := len(r.all), len(in.Workspaces)
	for i := n; i < known; i++ {
		r.waiting[r.all[i].why]--
		if r.all[i].reserve > 0 {
			r.reserving--
		}
	}
	r.all = slices.Grow(r.all, max(0, n-known))[:n]
	for _, i := range changed {
		if int(i) < min(known, n) {
			r.measure(int(i), in)
		}
	}
	for i := known; i < n; i++ {
		r.all[i].why, r.all[i].reserve = causes, 0
		r.measure(i, in)
	}
}

// measure finds out how much room a workspace has, and counts why if it has none.
func (r *roster) measure(i int, in *Input) {
	w, m := &in.Workspaces[i], &r.all[i]
	all, why := w.alone(in.Now, 0)
	if w.Idle {
		all, why = 0, causes
	}
	r.waiting[m.why]--
	r.waiting[why]++
	if m.reserve > 0 {
		r.reserving--
	}
	all = min(all, math.MaxInt32)
	cost := w.cost()
	*m = measured{
		tags: w.Tags, places: w.Places, cost: cost, price: shared(cost, w.Weight), since: moment(w.Since), own: int32(min(all, w.own(w.Used))), all: int32(all), reserve: int32(min(all, w.reserve(w.Used))),
		holds: [classes]int32{int32(w.held[Own].n), int32(w.held[Borrowed].n)}, weight: w.Weight, cohort: int32(w.Cohort), why: why, rated: w.PerSecond > 0,
	}
	if m.reserve > 0 {
		r.reserving++
	}
}

// room is how many more starts of a class it could take of a batch, whatever is left for it.
func (m *measured) room(class Class, granted, batch int32) int32 {
	own, all := min(m.own, batch), min(m.all, batch)
	if class == Own {
		return own - min(own, granted)
	}
	return all - max(own, granted)
}

// moment is a time in nanoseconds. What lies centuries away is as far as anything can be.
func moment(t time.Time) int64 {
	switch s := t.Unix(); {
	case s < -1<<33:
		return math.MinInt64
	case s > 1<<33:
		return math.MaxInt64
	}
	return t.UnixNano()
}
