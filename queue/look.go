package queue

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"sluice/internal/gather"
	"sluice/internal/store/facts"
)

// looksUnderWay is how many looks at items have a statement at a time. Those that come meanwhile share the next one, so that
// thousands who wait for results leave the rest of the pool to others.
const looksUnderWay = 2

// looking returns nil for a pool whose statements are one caller's only.
func (c *Client) looking() *gather.Gatherer[uuid.UUID, State] {
	if !c.shares() {
		return nil
	}
	return &gather.Gatherer[uuid.UUID, State]{
		Doing: "look at an item", Room: looksUnderWay, Size: func(uuid.UUID) int { return 0 },
		Alone: c.lookAlone, Together: c.lookTogether,
	}
}

func (c *Client) lookAlone(ctx context.Context, id uuid.UUID) (state State, err error) {
	err = again(ctx, func() error {
		state, err = facts.Item[State](ctx, c.pool, id)
		return err
	})
	return state, err
}

func (c *Client) lookTogether(ctx context.Context, calls []*gather.Call[uuid.UUID, State]) {
	ids := map[uuid.UUID]bool{}
	for _, call := range calls {
		ids[call.Request] = true
	}
	var states []State
	err := again(ctx, func() (err error) {
		states, err = facts.ItemsOf[State](ctx, c.pool, slices.Collect(maps.Keys(ids))...)
		return err
	})
	found := make(map[uuid.UUID]State, len(states))
	for _, state := range states {
		found[state.ID] = state
	}
	for _, call := range calls {
		state, ok := found[call.Request]
		if err == nil && !ok {
			call.Reply(State{}, facts.UnknownItem(call.Request))
			continue
		}
		call.Reply(state, err)
	}
}
