package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// How often Wait looks: soon at first, then ever more seldom.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = time.Second
)

// Wait returns when the item has ended, with its last state; see State.Done. It looks every 100 ms at first and every second in
// the end: many may wait at little cost, but not for milliseconds. When ctx ends first it returns the context's error and the
// state that was seen last. ErrUnknownItem says that there is no such item.
func (c *Client) Wait(ctx context.Context, id uuid.UUID) (State, error) {
	var last State
	for pause := firstLook; ; pause = min(pause*3/2, lastLook) {
		state, err := c.Get(ctx, id)
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
		case <-time.After(pause):
		}
	}
}
