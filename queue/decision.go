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
func (m *Memory) Decide(ctx context.Context, batch int) (Decision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.update(ctx, batch); err != nil {
		return Decision{}, err
	}
	return m.decide(batch), nil
}

func (m *Memory) decide(batch int) Decision {
	c := &m.shared
	in := c.input(batch)
	in.Workspaces = m.desk.workspaces
	d := m.desk.decider.Decide(in)
	return Decision{
		Mark: c.Mark, Shards: c.Shards, Grants: Grants(d), Lines: c.Lines(d), Waiting: d.Waiting,
		DueIn: sooner(d.RateDue, m.desk.dueIn(c.Now)),
	}
}

// sooner is the shorter of two times until something, zero meaning never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
