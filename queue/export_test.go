package queue

import (
	"time"

	"github.com/google/uuid"
)

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

// Remembering is a memory that has just read all this.
func Remembering(shared Capacity, read []WorkspaceCapacity) *Memory {
	m := &Memory{known: true, shared: shared, workspaces: make(map[uuid.UUID]*remembered, len(read))}
	for _, w := range read {
		m.learn(workspaceRow{WorkspaceCapacity: w, HeadsAt: make([]*time.Time, priorities), HeadIDs: make([]*uuid.UUID, priorities)})
	}
	return m
}

// Decided is Decide when nothing has changed.
func (m *Memory) Decided(batch int) Decision { return m.decide(batch) }

// Gathered is how many wait for the next flush.
func (r *Recorder) Gathered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}
