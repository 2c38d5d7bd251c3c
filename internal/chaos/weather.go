package main

import (
	"sync"
	"time"
)

// weather knows which parts are away, because of which fault, and when the last ones came back. A recovery is measured
// from the moment the parts are back, so another fault's outage in between starts its clock again.
type weather struct {
	mu      sync.Mutex
	outages map[int]int // how many parts a fault keeps away, by its number
	returns []comeback
}

// comeback is the end of an outage.
type comeback struct {
	fault int
	at    time.Time
}

func newWeather() *weather { return &weather{outages: map[int]int{}} }

// breaks notes that a fault takes a part away, until the returned function is called.
func (w *weather) breaks(fault int) (heal func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outages[fault]++
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.outages[fault]--; w.outages[fault] == 0 {
			delete(w.outages, fault)
		}
		w.returns = append(w.returns, comeback{fault, time.Now()})
	})
}

// fair tells whether no fault but this one keeps a part away.
func (w *weather) fair(fault int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	others := len(w.outages)
	if w.outages[fault] > 0 {
		others--
	}
	return others == 0
}

// since returns when the parts were back: start, or the end of the last outage of another fault after it.
func (w *weather) since(fault int, start time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.returns) - 1; i >= 0 && w.returns[i].at.After(start); i-- {
		if w.returns[i].fault != fault {
			return w.returns[i].at
		}
	}
	return start
}
