package admission

import "slices"

// flow is a workspace, or a cohort, that stands in a line.
type flow struct {
	key   VirtualTime // when its next start is due to begin while it is not due, and when it is due to end once it is
	since int64       // of those that are due to end alike, the one that has waited longer goes first
	index int32       // of the workspace, or below zero of a cohort, see cohortIndex
}

// line chooses which goes next: of those whose next start is due to begin, the one whose next start is due to end first.
type line struct {
	of     *round
	began  VirtualTime // its clock before the decision
	clock  VirtualTime
	still  bool        // where slot time is counted the ideal schedule goes on while slots are held, and not with a decision
	late   VirtualTime // see owed
	weight int         // of all that the ideal schedule gives something now
	slots  int         // that are held, with those that it has dealt
	full   []int32     // workspaces that hold all they may, some of which are Full
	filled Held        // the slots of workspaces that have become Full, less those of workspaces that are no longer
	dealt  VirtualTime // the cost of what it has served
	latest VirtualTime // the latest of the tags in it, and of its clock
	waits  int         // how many could take another start
	most   int         // so many starts are served at most
	later  heap        // not due yet, by when the next start begins
	due    heap        // by when it ends: those that may be among the first `most`
	last   flow        // if it crops: of the first `most` up to now, the last
	crops  bool        // whether there was one to forget
	whole  bool        // it never crops: some of the first may have to be left out
	ahead  heap        // those that are Ahead, by when their weight counts no more; it stands in the place of since
}

func (l *line) begin(of *round, clock VirtualTime, held, full *Held, active, most int) {
	now, late := clock, VirtualTime(0)
	if of.in.CountsSlotTime {
		now = held.eligible(full, clock, active)
		shares := VirtualTime(max(0, held.n-full.n))
		late = min(of.owed/VirtualTime(max(1, active)), farAway/max(1, shares)) * shares
	}
	*l = line{slots: held.n, full: l.full[:0], of: of, began: clock, clock: now, still: of.in.CountsSlotTime, late: late, latest: clock, most: most, later: heap{flows: l.later.flows[:0]}, due: heap{flows: l.due.flows[:0], of: of},
		ahead: heap{flows: l.ahead.flows[:0]}}
}

// join puts a workspace or a cohort into the line, whose next start is due to begin at a time and which has waited since then.
func (l *line) join(index int32, start VirtualTime, weight int, price VirtualTime, since int64) {
	l.weight, l.latest, l.waits = l.weight+weight, max(l.latest, start), l.waits+1
	if l.most == 0 {
		return // none will be served
	}
	if start > l.clock {
		l.later.flows = append(l.later.flows, flow{key: start, since: since, index: index})
		return
	}
	f := flow{key: start + price, since: since, index: index}
	if l.crops && !l.of.before(&f, &l.last) {
		return
	}
	if l.due.flows = append(l.due.flows, f); len(l.due.flows) > 2*l.most && !l.whole {
		l.crop()
	}
}

// trail counts the weight of one that is Ahead until the clock has reached its tag.
func (l *line) trail(tag VirtualTime, weight int) {
	l.weight, l.latest = l.weight+weight, max(l.latest, tag)
	if l.still {
		return
	}
	l.ahead.flows = append(l.ahead.flows, flow{key: tag, since: int64(weight)})
}

// crop forgets those that are due and will not be served: so many go first that it is not their turn in this decision.
func (l *line) crop() {
	slices.SortFunc(l.due.flows, func(a, b flow) int {
		if l.of.before(&a, &b) {
			return -1
		}
		return 1
	})
	l.due.flows = l.due.flows[:l.most]
	l.last, l.crops = l.due.flows[l.most-1], true
}

// open begins with those that have joined.
func (l *line) open() {
	l.later.init()
	l.due.init()
	l.ahead.init()
}

func (l *line) empty() bool { return len(l.due.flows)+len(l.later.flows) == 0 }

// next is the index of the one that goes next. When none is due the clock skips to when one is: it never idles.
func (l *line) next() int32 {
	if len(l.due.flows) == 0 && l.later.flows[0].key > l.clock {
		l.skip(l.later.flows[0].key)
	}
	return l.first().flows[0].index
}

// first is where the one stands at the head that goes next, as the clock is now: among those that are due, or else among the others.
func (l *line) first() *heap {
	for len(l.later.flows) > 0 && l.later.flows[0].key <= l.clock {
		f := l.later.pop()
		f.key += l.of.price(f.index)
		l.due.push(f)
	}
	if len(l.due.flows) == 0 {
		return &l.later
	}
	return &l.due
}

// serve gives the next one its start, which costs so much. It stays in the line if it could take another, which is due to begin when
// this one is due to end. One that wants another and has no room for it is a party to its last start as well, like all others.
func (l *line) serve(cost VirtualTime, weight int, stays, wants bool) {
	f := l.due.pop()
	l.dealt += cost
	l.slots++
	if stays {
		l.later.push(f)
		l.advance(cost)
		return
	}
	l.waits--
	if l.still {
		l.advance(cost)
		return
	}
	if wants {
		l.advance(cost)
	}
	if f.key > l.clock {
		l.ahead.push(flow{key: f.key, since: int64(weight)})
	} else {
		l.weight -= weight
	}
	if !wants {
		l.advance(cost)
	}
}

// advance moves the clock on by what a start costs, divided among all that the ideal schedule gives something meanwhile.
func (l *line) advance(cost VirtualTime) {
	for len(l.ahead.flows) > 0 {
		until := l.ahead.flows[0].key
		if until > l.clock+shared(cost, l.weight) {
			break
		}
		cost -= max(0, until-l.clock) * VirtualTime(l.weight)
		l.skip(until)
		if cost <= 0 {
			return
		}
	}
	l.clock += shared(cost, l.weight)
}

// skip moves the clock on to a time, without those whose weight counts no more by then.
func (l *line) skip(to VirtualTime) {
	if l.still {
		l.began += max(0, to-l.clock)
	}
	l.clock = max(l.clock, to)
	for len(l.ahead.flows) > 0 && l.ahead.flows[0].key <= l.clock {
		l.weight -= int(l.ahead.pop().since)
	}
}

// heap is a binary heap of flows. (container/heap would box each one, and cost twice as much.)
type heap struct {
	flows []flow
	of    *round // breaks ties; nil: they may stay
}

func (h *heap) before(a, b *flow) bool {
	if a.key != b.key || h.of == nil {
		return a.key < b.key
	}
	return h.of.before(a, b)
}

// before tells which of two that are due goes first.
func (r *round) before(a, b *flow) bool {
	switch {
	case a.key != b.key:
		return a.key < b.key
	case a.since != b.since:
		return a.since < b.since
	}
	return r.first(a.index, b.index)
}

func (h *heap) init() {
	for i := len(h.flows)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
}

func (h *heap) push(f flow) {
	h.flows = append(h.flows, f)
	for i := len(h.flows) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.before(&h.flows[i], &h.flows[parent]) {
			return
		}
		h.flows[i], h.flows[parent] = h.flows[parent], h.flows[i]
		i = parent
	}
}

func (h *heap) pop() flow {
	top, last := h.flows[0], len(h.flows)-1
	h.flows[0] = h.flows[last]
	h.flows = h.flows[:last]
	h.sink(0)
	return top
}

func (h *heap) sink(i int) {
	f := h.flows
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(f); child++ {
			if h.before(&f[child], &f[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		f[i], f[least] = f[least], f[i]
		i = least
	}
}
