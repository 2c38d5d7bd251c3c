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
	clock  VirtualTime
	pace   VirtualTime // how far a start moves the clock
	weight int
	most   int  // so many starts are served at most
	later  heap // not due yet, by when the next start begins
	due    heap // by when it ends: those that may be among the first `most`
	last   flow // if it crops: of the first `most` up to now, the last
	crops  bool // whether there was one to forget
}

func (l *line) begin(of *round, clock VirtualTime, most int) {
	*l = line{of: of, clock: clock, most: most, later: heap{flows: l.later.flows[:0]}, due: heap{flows: l.due.flows[:0], of: of}}
}

// join puts a workspace or a cohort into the line, which stands at a tag and has waited since then.
func (l *line) join(index int32, tag VirtualTime, weight int, price VirtualTime, since int64) {
	l.weight += weight
	if l.most == 0 {
		return // none will be served
	}
	start := standing(tag, l.clock, price)
	if start > l.clock {
		l.later.flows = append(l.later.flows, flow{key: start, since: since, index: index})
		return
	}
	f := flow{key: start + price, since: since, index: index}
	if l.crops && !l.of.before(&f, &l.last) {
		return
	}
	if l.due.flows = append(l.due.flows, f); len(l.due.flows) > 2*l.most {
		l.crop()
	}
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
	l.pace = Price(l.weight)
	l.later.init()
	l.due.init()
}

func (l *line) empty() bool { return len(l.due.flows)+len(l.later.flows) == 0 }

// next is the index of the one that goes next. When none is due the clock skips to when one is: it never idles.
func (l *line) next() int32 {
	if len(l.due.flows) == 0 {
		l.clock = max(l.clock, l.later.flows[0].key)
	}
	for len(l.later.flows) > 0 && l.later.flows[0].key <= l.clock {
		f := l.later.pop()
		f.key += l.of.price(f.index)
		l.due.push(f)
	}
	return l.due.flows[0].index
}

// serve gives the next one its start. It stays in the line if it could take another, which is due to begin when this
// one is due to end.
func (l *line) serve(stays bool) {
	f := l.due.pop()
	l.clock += l.pace
	if stays {
		l.later.push(f)
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
