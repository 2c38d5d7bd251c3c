// Package weather knows which parts of a system are away, because of which fault, and when the last ones came back. It is pure
// but for its lock and the clock.
package weather

import (
	"slices"
	"sync"
	"time"
)

// Weather is safe for concurrent use. A recovery is measured from the moment the parts are back, so another fault's outage in
// between starts its clock again.
type Weather struct {
	mu      sync.Mutex
	outages map[int]int // how many parts a fault keeps away, by its number
	returns []comeback
	began   time.Time // of the outages that there are
	spans   []Span
}

// Span is a time from one moment to another.
type Span struct{ From, To time.Time }

// comeback is the end of an outage.
type comeback struct {
	fault int
	at    time.Time
}

// New returns fair weather.
func New() *Weather { return &Weather{outages: map[int]int{}} }

// Breaks notes that a fault takes a part away, until the returned function is called.
func (w *Weather) Breaks(fault int) (heal func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.outages) == 0 {
		w.began = time.Now()
	}
	w.outages[fault]++
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.outages[fault]--; w.outages[fault] == 0 {
			delete(w.outages, fault)
		}
		w.returns = append(w.returns, comeback{fault, time.Now()})
		if len(w.outages) == 0 {
			w.spans = append(w.spans, Span{w.began, time.Now()})
		}
	})
}

// Fair tells whether no fault but this one keeps a part away.
func (w *Weather) Fair(fault int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	others := len(w.outages)
	if w.outages[fault] > 0 {
		others--
	}
	return others == 0
}

// Since returns when the parts were back: start, or the end of the last outage of another fault after it.
func (w *Weather) Since(fault int, start time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.returns) - 1; i >= 0 && w.returns[i].at.After(start); i-- {
		if w.returns[i].fault != fault {
			return w.returns[i].at
		}
	}
	return start
}

// Outages are the times at which any part was away and that are over, in order.
func (w *Weather) Outages() []Span {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.spans)
}
