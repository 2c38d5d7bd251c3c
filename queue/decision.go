package queue

import (
	"context"
	"time"

	"sluice/internal/admission"
)

// Decision is what the policy has decided for a shard.
type Decision struct {
	Mark    Mark // when it looked, see Capacity
	Shards  int
	Grants  []Grant
	Lines   []Line
	Waiting map[admission.Reason]int // workspaces that were granted nothing
	// DueIn is how long until a workspace with a free slot gets its next item, or its next token; zero when there is none.
	DueIn time.Duration
}

// Decide lets the policy deal a batch to what is remembered, as it would to what Capacity tells.
func (m *Memory) Decide(ctx context.Context, batch int) (d Decision, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.known = err == nil }()
	if err = m.refresh(ctx, batch); err != nil {
		return Decision{}, wrap(err, "read capacity")
	}
	return m.decide(batch), nil
}

// desk is where decisions are made, one after the other in the same memory: over many workspaces the garbage of a
// decision would cost as much as the decision.
type desk struct {
	decider    admission.Decider
	workspaces []admission.Workspace
}

func (m *Memory) decide(batch int) Decision {
	c := &m.shared
	in, cohorts := c.input(batch), c.cohorts()
	in.Workspaces = m.desk.workspaces[:0]
	var soonest time.Duration
	for _, w := range m.workspaces {
		if !w.waits() {
			continue
		}
		in.Workspaces = append(in.Workspaces, w.policyView(cohorts))
		soonest = sooner(soonest, w.dueIn(c.Now))
	}
	m.desk.workspaces = in.Workspaces
	d := m.desk.decider.Decide(in)
	return Decision{
		Mark: c.Mark, Shards: c.Shards, Grants: Grants(d), Lines: c.Lines(d), Waiting: d.Waiting, DueIn: sooner(soonest, d.RateDue),
	}
}

// dueIn is how long until its next item is ready; zero when there is none, or no slot for it.
func (w *WorkspaceCapacity) dueIn(now time.Time) time.Duration {
	if w.NextDue == nil || w.Used >= w.Limit {
		return 0
	}
	return max(w.NextDue.Sub(now), time.Millisecond)
}

// sooner is the shorter of two times until something, zero meaning never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
