package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// The plans of these are tested.
const (
	ClaimSQL      = claimSQL
	ClaimAloneSQL = claimAloneSQL
	CapacitySQL   = capacitySQL
	AgainSQL      = againSQL
	NextSQL       = nextSQL
	ItemsSQL      = itemsSQL
	WaitsSQL      = waitsSQL

	EndExecutionSQL  = endExecutionSQL
	EndExecutionsSQL = endExecutionsSQL

	ReopenEndedSQL = reopenEndedSQL // to be committed late
)

// Capacity is what is remembered: what Queue.Capacity would read, with counts of ready items that are exact as far as a
// decision on at most a batch of starts goes.
func (m *Memory) Capacity(ctx context.Context, fence Fence, batch int) (Capacity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.update(ctx, fence, batch); err != nil {
		return Capacity{}, err
	}
	c := m.shared
	c.Workspaces = make([]WorkspaceCapacity, 0, len(m.workspaces))
	for _, w := range m.workspaces {
		if w.waits() {
			c.Workspaces = append(c.Workspaces, w.WorkspaceCapacity)
		}
	}
	return c, nil
}

// SweepNow makes the next part of the sweep due.
func (m *Memory) SweepNow() { m.sweep.at = time.Time{} }

// Known tells whether the next Capacity reads only what has changed.
func (m *Memory) Known() bool { return m.known }

// Remembering is a memory that has just read all this, for decisions on at most a batch.
func Remembering(shared Capacity, read []WorkspaceCapacity, batch int) *Memory {
	m := &Memory{known: true, shared: shared, workspaces: make(map[uuid.UUID]*remembered, len(read))}
	for _, w := range read {
		m.learn(workspaceRow{WorkspaceCapacity: w, Counted: w.Ready + 1, HeadsAt: make([]*time.Time, priorities), HeadIDs: make([]*uuid.UUID, priorities)})
	}
	m.Decided(batch)
	return m
}

// Decided is Decide when there is nothing to read.
func (m *Memory) Decided(batch int) Decision {
	m.outdated(batch)
	m.layOut()
	return m.decide(batch)
}

// Stir makes n workspaces be looked at again, as after a claim and its outcomes.
func (m *Memory) Stir(n int) {
	for _, w := range m.workspaces {
		if n--; n < 0 {
			return
		}
		m.touch(w)
	}
}

// Overlooked are those that should have been read again.
func (m *Memory) Overlooked(batch int) (ids []uuid.UUID) {
	for id, w := range m.workspaces {
		if w.changed != nothing || w.stale(m.shared.Now, batch) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Row is where the dispatcher's row is believed to be.
func (m *Memory) Row() pgtype.TID { return m.counted.row }

// Bounded is of how many workspaces slots would be counted from a bound.
func (m *Memory) Bounded() int {
	if !m.known {
		return 0
	}
	return len(m.bounds.of)
}

// Gathered is how many wait for the next statement.
func (r *Recorder) Gathered() int { return r.outcomes.gathered() }

// SetPatience sets for how long an outcome waits to share a statement, before there are any.
func (r *Recorder) SetPatience(d time.Duration) { r.outcomes.patience = d }

// Near is closed when this process next puts something on record.
func (q *Queue) Near() <-chan struct{} { return q.near.rung() }

// ForgetDefinitions makes the next enqueues look theirs up.
func (q *Queue) ForgetDefinitions() { *q.vouched = vouched{} }

// PatrolBy has the search for open executions without a slot look at so many at each call.
func (q *Queue) PatrolBy(n int) { q.patrol.part = n }

// Sharing is how many enqueues wait for the next shared statement.
func (q *Queue) Sharing() int { return q.sharing.gathered() }

func (g *gatherer[R, A]) gathered() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.waiting {
		n += len(b.calls)
	}
	return n
}

// SetPatience sets for how long an enqueue waits to share a statement, before there are any.
func (q *Queue) SetPatience(d time.Duration) { q.sharing.patience = d }
