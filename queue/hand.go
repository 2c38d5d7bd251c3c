package queue

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// hand is what a dispatcher's process knows of the claims that are not dispatched: those that its last claims took, to be
// handed to the dispatch that follows. Whatever else may be there, because somebody else has claimed or dispatched or
// because a dispatch went wrong, is read from Postgres.
type hand struct {
	fence    Fence // of the dispatch that they are for
	claims   []Claim
	doubtful bool // there may be others
	read     int  // if doubtful: how many there are
}

// carried is how many claims are known to wait for a dispatch.
func (h *hand) carried() int {
	if h.doubtful {
		return h.read
	}
	return len(h.claims)
}

// queue adds to the batch what counts the claims, and forgets those that are known.
func (h *hand) queue(batch *pgx.Batch, shard int) {
	*h = hand{doubtful: true}
	batch.Queue(carriedSQL, shard).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&h.read)
		h.doubtful = err != nil || h.read > 0
		return err
	})
}

// add takes what was claimed. The claim has taken the number of the dispatch too, which spares a statement.
func (h *hand) add(fence Fence, t taken) {
	h.fence, h.fence.Dispatch = fence, t.dispatch
	if !h.doubtful {
		h.claims = slices.Concat(h.claims, t.claimed())
	}
}

// give returns what there is for a dispatch, once.
func (h *hand) give(fence Fence) (Fence, []Claim, bool) {
	if h.doubtful || h.fence.Epoch != fence.Epoch || h.fence.Cycle != fence.Cycle || h.fence.Dispatch == 0 {
		return fence, nil, false
	}
	fence, claims := h.fence, h.claims
	*h = hand{}
	return fence, claims, true
}

// Carried is how many claims waited for a dispatch when capacity was last read.
func (m *Memory) Carried() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hand.carried()
}

// Doubt has the next dispatch look for what is claimed and not dispatched: something has gone wrong with one.
func (m *Memory) Doubt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hand.doubtful = true
}

// BeginDispatch is Queue.BeginDispatch. What the claim of this cycle took is remembered, if nobody else has been at work.
func (m *Memory) BeginDispatch(ctx context.Context, fence Fence, limit int) (_ Fence, claims []Claim, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() {
		if err != nil {
			m.hand.doubtful = true
		}
	}()
	if given, claims, ok := m.hand.give(fence); ok && m.known {
		return given, claims, wrap(m.queue.versions.fill(ctx, m.queue.pool, claims), "begin dispatch")
	}
	fence, claims, err = m.queue.BeginDispatch(ctx, fence, limit)
	if err == nil {
		// Its number is remembered if it is the next one: only then was nobody else at work since the last look.
		m.known = m.known && fence.Dispatch == m.counted.dispatch+1
		m.counted.dispatch = fence.Dispatch
		m.hand = hand{doubtful: len(claims) == limit}
	}
	return fence, claims, err
}
