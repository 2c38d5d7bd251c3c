package queue

import "time"

// The plans of these are tested.
const (
	ClaimSQL    = claimSQL
	CapacitySQL = capacitySQL
	AgainSQL    = againSQL
	NextSQL     = nextSQL
	WaitsSQL    = waitsSQL
)

// SweepNow makes the next part of the sweep due.
func (m *Memory) SweepNow() { m.sweptAt = time.Time{} }

// Known tells whether the next Capacity reads only what has changed.
func (m *Memory) Known() bool { return m.known }

// Gathered is how many wait for the next flush.
func (r *Recorder) Gathered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}
