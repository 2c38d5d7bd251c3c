package estimate

import "time"

// line is what waits in one workspace while a run goes on: the items of the snapshot, and what has arrived since.
type line struct {
	of      []Place
	at      int // the first of these that has not started
	started int // so many of the snapshot's items have
	arrived [5]arrivals
}

type arrivals struct {
	items []arrival
	head  int
}

// arrival is an item that arrives while a run goes on. Those that the curve has a point for tell which.
type arrival struct {
	at    time.Duration
	point int32 // none is -1
}

const none int32 = -1

func (l *line) begin(of []Place) {
	l.of, l.at, l.started = of, 0, 0
	for p := range l.arrived {
		l.arrived[p] = arrivals{items: l.arrived[p].items[:0]}
	}
}

func (l *line) left() int {
	if len(l.of) == 0 {
		return 0
	}
	return l.of[len(l.of)-1].Number - l.started
}

// due is when the first of the snapshot's items is, between two places that are known.
func (l *line) due() time.Duration {
	next := l.of[l.at]
	if l.at == 0 || next.Number == l.started+1 {
		return next.Due
	}
	last := l.of[l.at-1]
	part := float64(l.started+1-last.Number) / float64(next.Number-last.Number)
	return last.Due + time.Duration(part*float64(next.Due-last.Due))
}

// pop starts the item that is due first. It returns when that arrived, and its point of the curve, if it has one.
func (l *line) pop(step time.Duration) (arrived time.Duration, point int32) {
	first, best := -1, time.Duration(0)
	for p := range l.arrived {
		a := &l.arrived[p]
		if a.head == len(a.items) {
			continue
		}
		if due := a.items[a.head].at + time.Duration(p)*step; first < 0 || due < best {
			first, best = p, due
		}
	}
	if l.left() > 0 && (first < 0 || l.due() <= best) {
		l.started++
		if l.of[l.at].Number != l.started {
			return 0, none
		}
		l.at++
		return 0, int32(l.at - 1)
	}
	a := &l.arrived[first]
	item := a.items[a.head]
	if a.head++; a.head == len(a.items) {
		*a = arrivals{items: a.items[:0]}
	}
	return item.at, item.point
}

// since is when the oldest of what waits became available, as far as the policy has to know it.
func (l *line) since(now time.Duration) time.Duration {
	if l.left() > 0 {
		return min(l.due(), 0)
	}
	for p := range l.arrived {
		if a := &l.arrived[p]; a.head < len(a.items) {
			now = min(now, a.items[a.head].at)
		}
	}
	return now
}
