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

// Decide lets the policy deal a batch to what is remembered, as it would to what Queue.Capacity tells. ErrFenced says that
// another run owns the shard; an epoch of zero stands for any.
func (m *Memory) Decide(ctx context.Context, fence Fence, batch int) (Decision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.update(ctx, fence, batch); err != nil {
		return Decision{}, err
	}
	return m.decide(batch), nil
}

// Guess decides without a look at Postgres: on what the last one found, but for slots that this process has freed since. It
// returns false when it has freed none or knows too little. Ask it only while the doorbell is watched.
func (m *Memory) Guess(batch int) (d Decision, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	freed, now := m.queue.near.since(m.near)
	if !m.known || m.hand.doubtful || len(m.desk.touched) > 0 || m.shared.Limit != nil {
		return Decision{}, false // of what all share others may have taken a part
	}
	m.near = now
	var fuller []*remembered
	for _, id := range freed {
		if w := m.workspaces[id]; w != nil && w.Cohort == nil && w.Used > 0 {
			w.Used--
			w.changed = max(w.changed, usage)
			m.touch(w)
			fuller = append(fuller, w)
		}
	}
	if len(fuller) == 0 {
		return Decision{}, false
	}
	m.layOut()
	for _, w := range fuller {
		m.touch(w) // its usage is to be read in the next look
	}
	return m.decide(batch), true
}

func (m *Memory) decide(batch int) Decision {
	c := &m.shared
	d := m.desk.decide(c.input(batch))
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
