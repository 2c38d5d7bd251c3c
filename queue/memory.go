package queue

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Memory is what the dispatcher of a shard remembers of the backlog between its cycles, so that a cycle reads by what has
// changed and not by how many workspaces wait; the decision is still made over all of them. Bells tell what has changed;
// claims of somebody else, or a long absence, make it read everything again. It is a hint: a claim holds against the
// limits and slots that Postgres knows, whatever is remembered. What is remembered wrongly costs a grant that takes
// nothing, or a start that comes later, until the claim that came short or the sweep finds out. It is safe for concurrent
// use.
type Memory struct {
	queue *Queue // of the shard

	mu         sync.Mutex
	known      bool
	claims     int64 // accepted ones of the shard, of all epochs: what was read is from after the last of them
	shared     Capacity
	workspaces map[uuid.UUID]*remembered
	swept      uuid.UUID // the workspace up to which the sweep has come
	sweptAt    time.Time
	open       time.Time // all claims before it are dispatched
	desk       desk      // lays out workspaces
}

// remembered is a workspace with a backlog, or one that has had one lately.
type remembered struct {
	WorkspaceCapacity
	more    bool // there may be more ready items than were counted
	cursors cursors
	changed change
	place   place
	touched bool
}

// change says what must be read again.
type change int

const (
	nothing    change = iota
	usage             // slots, and what was charged
	everything        // its items and limits too
)

// Memory returns an empty memory of the shard.
func (q *Queue) Memory() *Memory { return &Memory{queue: q} }

// Capacity is what Queue.Capacity would read, for a decision on at most a batch of starts: counts of ready items are
// exact as far as such a decision goes.
func (m *Memory) Capacity(ctx context.Context, batch int) (Capacity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.update(ctx, batch); err != nil {
		return Capacity{}, err
	}
	return m.capacity(), nil
}

// update brings everything up to the present.
func (m *Memory) update(ctx context.Context, batch int) error {
	err := m.refresh(ctx, batch)
	if m.known = err == nil; m.known {
		m.layOut()
	}
	return wrap(err, "read capacity")
}

// capacity is what is remembered.
func (m *Memory) capacity() Capacity {
	c := m.shared
	c.Workspaces = make([]WorkspaceCapacity, 0, len(m.workspaces))
	for _, w := range m.workspaces {
		if w.waits() {
			c.Workspaces = append(c.Workspaces, w.WorkspaceCapacity)
		}
	}
	return c
}

// waits tells whether the workspace has a backlog.
func (w *remembered) waits() bool { return w.Ready > 0 || w.NextDue != nil }

// Claim is Queue.Claim, and remembers what was taken.
func (m *Memory) Claim(ctx context.Context, fence Fence, grants []Grant, lines ...Line) (Claimed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := make([]cursors, len(grants))
	for i, g := range grants {
		if w := m.workspaces[g.WorkspaceID]; w != nil && m.known {
			from[i] = w.cursors
		}
	}
	c, t, err := m.queue.claim(ctx, fence, grants, lines, from, m.open)
	if err != nil || c.Repeated || t.claims != m.claims+1 {
		if err != nil || t.claims != m.claims {
			m.known = false
		}
		return c, err
	}
	m.claims = t.claims
	m.take(grants, t)
	return c, nil
}

// BeginDispatch is Queue.BeginDispatch, and remembers before which time there is nothing left to dispatch. An old snapshot
// keeps every slot that ever was in the index of those that are not dispatched.
func (m *Memory) BeginDispatch(ctx context.Context, fence Fence, limit int) (Fence, []Claim, error) {
	m.mu.Lock()
	open := m.open
	m.mu.Unlock()
	fence, claims, err := m.queue.beginDispatch(ctx, fence, limit, open)
	if err == nil && len(claims) > 0 && len(claims) < limit {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.open.Equal(open) { // it has not been made to forget meanwhile
			m.open = claims[0].ClaimedAt.Add(-clockStep)
		}
	}
	return fence, claims, err
}

// clockStep is how far the database's clock may be set back without hiding a claim from its dispatch.
const clockStep = 10 * time.Second

// take notes what an accepted claim has taken of its grants.
func (m *Memory) take(grants []Grant, t taken) {
	for i, id := range t.workspaces {
		if w := m.workspaces[id]; w != nil {
			w.Ready--
			w.cursors.pass(t.priorities[i], t.availableAt[i], t.ids[i])
			m.touch(w)
			w.Since = &t.availableAt[i] // who remains came later, or is of another priority: near enough to break a tie
			w.changed = max(w.changed, usage)
		}
	}
	got := make(map[uuid.UUID]int, len(grants))
	for _, id := range t.workspaces {
		got[id]++
	}
	for _, g := range grants {
		if w := m.workspaces[g.WorkspaceID]; w != nil && got[g.WorkspaceID] < g.Slots {
			// Items have gone or are held by somebody, a limit has changed, or slots are held that it did not know of.
			w.changed, w.cursors = everything, cursors{}
			m.touch(w)
		}
	}
}

// hear notes what a bell tells.
func (m *Memory) hear(b bell, now time.Time) {
	w := m.workspaces[b.WorkspaceID]
	switch {
	case b.Limits:
		m.look(b.WorkspaceID)
	case b.Due == nil && b.Scheduled == nil && w != nil:
		w.changed = max(w.changed, usage)
	case w == nil && (b.Due != nil || b.Scheduled != nil):
		m.look(b.WorkspaceID)
	}
	if w == nil {
		return
	}
	m.touch(w)
	if b.Freed {
		w.changed = max(w.changed, usage)
	}
	for _, at := range []*time.Time{b.Due, b.Scheduled} {
		switch {
		case at == nil:
			continue
		case at.After(now):
			if w.NextDue == nil || at.Before(*w.NextDue) {
				w.NextDue = at
			}
		default:
			w.more = true
			if w.Since == nil || at.Before(*w.Since) {
				w.Since = at
			}
		}
		w.cursors.lower(*at)
	}
}

// look has everything about a workspace read again, known or not.
func (m *Memory) look(id uuid.UUID) {
	w := m.workspaces[id]
	if w == nil {
		w = &remembered{WorkspaceCapacity: WorkspaceCapacity{WorkspaceID: id}}
		m.workspaces[id] = w
	}
	w.changed = everything
	m.touch(w)
}

// stale tells whether too little is known about the items of a workspace.
func (w *remembered) stale(now time.Time, batch int) bool {
	return w.NextDue != nil && !w.NextDue.After(now) || w.more && w.Ready < max(1, min(batch, w.Limit)) || w.Ready < 0
}

// learn replaces what is remembered of a workspace.
func (m *Memory) learn(r workspaceRow) {
	w := &remembered{WorkspaceCapacity: r.WorkspaceCapacity, more: r.Ready >= r.Counted, cursors: cursorsAt(r.HeadsAt, r.HeadIDs)}
	m.workspaces[r.WorkspaceID] = w
	m.touch(w)
}

func after(a, b uuid.UUID) bool { return bytes.Compare(a[:], b[:]) > 0 }
