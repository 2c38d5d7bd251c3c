package queue

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Memory is what the dispatcher of a shard remembers of the backlog between its cycles, so that a cycle reads by what has
// changed and not by how many workspaces wait; the decision is still made over all of them. Bells tell what has changed;
// claims or dispatches of somebody else, or a long absence, make it read everything again. It is a hint: a claim holds against the
// limits and slots that Postgres knows, whatever is remembered. What is remembered wrongly costs a grant that takes
// nothing, or a start that comes later, until the claim that came short or the sweep finds out. It is safe for concurrent
// use.
type Memory struct {
	queue *Queue // of the shard

	mu         sync.Mutex
	known      bool
	counted    counters // what was read is from after the last of these claims
	shared     Capacity
	workspaces map[uuid.UUID]*remembered
	sweep      sweep
	desk       desk // lays out workspaces
	hand       hand
	bounds     bounds
	charges    charges
	near       int // how many slots this process had freed when it last looked
}

// remembered is a workspace with a backlog, or one that has had one lately.
type remembered struct {
	WorkspaceCapacity
	more    bool // there may be more ready items than were counted
	cursors cursors
	changed change
	place   place
	touched bool
	idle    bool // a sweep has found no items, and no bell has told of any since
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

// update brings everything up to the present.
func (m *Memory) update(ctx context.Context, fence Fence, batch int) error {
	_, m.near = m.queue.near.since(m.near)
	err := m.refresh(ctx, batch)
	if err == nil && fence.Epoch != 0 && fence.Epoch != m.counted.epoch {
		err = ErrFenced
	}
	if m.known = err == nil; m.known {
		m.layOut()
	}
	return wrap(err, "read capacity")
}

// waits tells whether the workspace has a backlog.
func (w *remembered) waits() bool { return w.Ready > 0 || w.NextDue != nil }

// Claim is Queue.Claim, and remembers what was taken, for the next decision and for BeginDispatch. With the lines of the
// decision, what was taken is charged to the virtual times, unless somebody else has been at it.
func (m *Memory) Claim(ctx context.Context, fence Fence, grants []Grant, lines ...Line) (Claimed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := beginning{cursors: make([]cursors, len(grants))}
	if m.known {
		from.bounds, from.counted, from.alone, from.ageing = m.bounds, m.counted, m.shared.Limit == nil, m.shared.ageing
		for i, g := range grants {
			w := m.workspaces[g.WorkspaceID]
			if w != nil {
				from.cursors[i] = w.cursors
			}
			from.alone = from.alone && w != nil && w.Cohort == nil && w.StartsPerSecond == nil
		}
	}
	c, t, err := m.queue.claim(ctx, fence, grants, from, !m.known)
	if err != nil {
		m.known = false
		return c, err
	}
	before := m.counted
	if len(grants) > 0 && !c.Repeated {
		before.claims, before.dispatch = before.claims+1, before.dispatch+1
	}
	if m.known = m.known && t.claims == before.claims && t.dispatch == before.dispatch; !m.known {
		return c, nil // somebody else has been at it
	}
	c.Carried = m.hand.carried()
	m.counted = t.counters
	if len(grants) > 0 && !c.Repeated {
		m.charge(t, lines)
		m.take(grants, t)
		m.hand.add(fence, t)
	}
	return c, nil
}

// take notes what an accepted claim has taken of its grants. Slots that were freed meanwhile have rung.
func (m *Memory) take(grants []Grant, t taken) {
	got := make(map[uuid.UUID]int, len(grants))
	for i := range t.items {
		item := &t.items[i]
		if got[item.WorkspaceID]++; got[item.WorkspaceID] == 1 {
			m.bounds.raise(item.WorkspaceID, item.bound)
		}
		if w := m.workspaces[item.WorkspaceID]; w != nil {
			w.Ready--
			w.cursors.pass(item.Priority, item.availableAt, item.ExecutionID)
			m.touch(w)
			w.Since = &item.availableAt // who remains came later, or is of another priority: near enough to break a tie
			if !item.expired {
				w.Used++
			}
			if w.StartsPerSecond != nil {
				w.changed = max(w.changed, usage) // its tokens
			}
		}
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
	case w == nil && (b.Due != nil || b.Scheduled != nil):
		m.look(b.WorkspaceID)
	}
	if w == nil {
		return
	}
	m.touch(w)
	if b.Freed {
		w.Used = b.Used // where it stands is moved by claims only
	}
	for _, at := range []*time.Time{b.Due, b.Scheduled} {
		if at == nil {
			continue
		}
		w.idle = false
		switch {
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
