package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice/internal/gather"
	"sluice/internal/store/facts"
)

// How often Wait looks: every tenth of the time that it has waited, within these bounds.
const (
	shortestPause = 20 * time.Millisecond
	longestPause  = time.Second
)

// Wait returns when the item has ended, with its last state; see State.Done. It looks in Postgres again and again, more seldom the longer it
// waits: it notices an end within 20 ms at first, later within a tenth of the time that it has waited, and within a second in the
// end. Many may wait at little cost: they look together. When ctx ends first it returns the context's error and the
// state that was seen last. ErrUnknownItem says that there is no such item.
func (c *Client) Wait(ctx context.Context, id uuid.UUID) (State, error) {
	var last State
	began := time.Now()
	for {
		state, err := c.look(ctx, id)
		switch {
		case err == nil && state.Done():
			return state, nil
		case ctx.Err() != nil:
			return last, fmt.Errorf("wait for item %s: %w", id, ctx.Err())
		case err != nil:
			return last, err
		}
		last = state
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("wait for item %s: %w", id, ctx.Err())
		case <-time.After(min(max(time.Since(began)/10, shortestPause), longestPause)):
		}
	}
}

// look is Get, by a statement that those who wait at the same time share.
func (c *Client) look(ctx context.Context, id uuid.UUID) (State, error) {
	if c.looks == nil {
		return c.Get(ctx, id)
	}
	return c.looks.Do(ctx, id)
}

// sharedLooks returns nil for a pool whose statements are one caller's only.
func (c *Client) sharedLooks() *gather.Gatherer[uuid.UUID, State] {
	if !c.shares() {
		return nil
	}
	return &gather.Gatherer[uuid.UUID, State]{
		Doing: "wait for an item", Room: 1, Size: func(uuid.UUID) int { return 0 },
		Alone: c.Get, Together: c.lookTogether,
	}
}

// lookTogether answers for the items that there are; for the others each finds out alone.
func (c *Client) lookTogether(ctx context.Context, calls []*gather.Call[uuid.UUID, State]) {
	ids := make([]uuid.UUID, len(calls))
	for i, call := range calls {
		ids[i] = call.Request
	}
	states, err := facts.ItemsOf[State](ctx, c.pool, ids...)
	if err != nil {
		return
	}
	found := make(map[uuid.UUID]State, len(states))
	for _, state := range states {
		found[state.ID] = state
	}
	for _, call := range calls {
		if state, ok := found[call.Request]; ok {
			call.Reply(state, nil)
		}
	}
}
