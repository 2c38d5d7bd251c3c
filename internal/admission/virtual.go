package admission

// VirtualTime counts the starts that the ideal schedule gives a workspace of weight 1, in units of 1/Stride. It lasts
// for eight billion of them, so nobody has to wind it back.
type VirtualTime int64

// Stride is what one start costs a workspace of weight 1.
const Stride VirtualTime = 1 << 30

// Price is what one start costs at a weight, and how far it moves the clock of those who weigh so much together.
func Price(weight int) VirtualTime { return max(1, Stride/VirtualTime(max(1, weight))) }

// Class says what a start is taken from. Each class is a line of its own, so everything below exists twice.
type Class int

// The classes, in the order in which they are served.
const (
	Own      Class = iota // within the guaranteed share
	Borrowed              // above it, from what others leave idle
	classes
)

// Tags are where somebody stands in the two lines: the virtual time at which its next start is due to begin.
type Tags [classes]VirtualTime

// Clocks are the present of the two lines: how far the ideal schedule has come.
type Clocks [classes]VirtualTime

// Weights are what all who stand in the two lines weigh together.
type Weights [classes]int

// standing is the tag that counts at a clock. Nobody is more than one start behind: who has slept brings no credit for
// it. And nobody is more than one ahead, which mends tags from another clock (after a change of cohort) or weight.
func standing(tag, clock VirtualTime, weight int) VirtualTime {
	return min(max(tag, clock-Price(weight)), clock+Price(weight))
}

// flow is somebody who stands in a line.
type flow struct {
	start  VirtualTime
	finish VirtualTime
	index  int32 // of the workspace, or below zero of a cohort, see cohortIndex
}

// line chooses who goes next: of those whose next start is due to begin, the one whose next start is due to end first.
type line struct {
	clock  VirtualTime
	pace   VirtualTime // how far a start moves the clock
	weight int
	later  heap // by start: not due yet
	due    heap // by finish
}

func (l *line) join(f flow, weight int) {
	l.weight += weight
	l.later.flows = append(l.later.flows, f)
}

// open begins with those who have joined.
func (l *line) open() {
	l.pace = Price(l.weight)
	waiting := l.later.flows[:0]
	for _, f := range l.later.flows {
		if f.start <= l.clock {
			l.due.flows = append(l.due.flows, f)
		} else {
			waiting = append(waiting, f)
		}
	}
	l.later.flows = waiting
	l.later.init()
	l.due.init()
}

func (l *line) empty() bool { return len(l.due.flows)+len(l.later.flows) == 0 }

// next is the index of who goes next. When nobody is due the clock skips to when somebody is: it never idles.
func (l *line) next() int32 {
	if len(l.due.flows) == 0 {
		l.clock = max(l.clock, l.later.flows[0].start)
	}
	for len(l.later.flows) > 0 && l.later.flows[0].start <= l.clock {
		l.due.push(l.later.pop())
	}
	return l.due.flows[0].index
}

// serve gives the next one its start. It stays in the line if it could take another.
func (l *line) serve(weight int, stays bool) {
	f := l.due.pop()
	l.clock += l.pace
	if stays {
		f.start = f.finish
		f.finish += Price(weight)
		l.later.push(f)
	}
}

func (l *line) clear(clock VirtualTime) {
	l.clock, l.weight, l.later.flows, l.due.flows = clock, 0, l.later.flows[:0], l.due.flows[:0]
}

// heap is a binary heap of flows. (container/heap would box each one, and cost twice as much.)
type heap struct {
	flows  []flow
	before func(a, b flow) bool
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
		if !h.before(h.flows[i], h.flows[parent]) {
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
			if h.before(f[child], f[least]) {
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
