package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
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
	// The input is read once, and the result at the end: many wait, and each looks once a second.
	for look := c.Get; ; look = c.peek {
		state, err := look(ctx, id)
		if err == nil && last.ID != uuid.Nil {
			if state.Done() {
				state, err = c.Get(ctx, id)
			} else {
				state.Input = last.Input
			}
		}
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
