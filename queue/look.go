package queue

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"sluice/internal/gather"
	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// looksUnderWay is how many looks at items have a statement at a time. Those that come meanwhile share the next one, so that
// thousands who wait for results leave the rest of the pool to others.
const looksUnderWay = 2

// wholeLook is what a look at an item counts in bytes that reads its input and result. These may have more than a megabyte, so some tens of
// them share a statement, and not hundreds.
const wholeLook = 64 << 10

// looks read an item, or several.
type looks struct {
	one  func(context.Context, store.DB, uuid.UUID) (State, error)
	many func(context.Context, store.DB, ...uuid.UUID) ([]State, error)
}

var (
	whole = looks{facts.Item[State], facts.ItemsOf[State]}
	bare  = looks{facts.BareItem[State], facts.BareItemsOf[State]} // without inputs and results
)

// looking returns nil for a pool whose statements are one caller's only.
func (c *Client) looking(at looks, bytes int) *gather.Gatherer[uuid.UUID, State] {
	if !c.shares() {
		return nil
	}
	return &gather.Gatherer[uuid.UUID, State]{
		Doing: "look at an item", Room: looksUnderWay, Size: func(uuid.UUID) int { return bytes },
		Alone:    func(ctx context.Context, id uuid.UUID) (State, error) { return c.lookAlone(ctx, at, id) },
		Together: func(ctx context.Context, calls []*gather.Call[uuid.UUID, State]) { c.lookTogether(ctx, at, calls) },
	}
}

// peek is Get without the input and the result.
func (c *Client) peek(ctx context.Context, id uuid.UUID) (State, error) {
	if c.peeks == nil {
		return c.lookAlone(ctx, bare, id)
	}
	return c.peeks.Do(ctx, id)
}

func (c *Client) lookAlone(ctx context.Context, at looks, id uuid.UUID) (state State, err error) {
	err = again(ctx, func() error {
		state, err = at.one(ctx, c.pool, id)
		return err
	})
	return state, err
}

func (c *Client) lookTogether(ctx context.Context, at looks, calls []*gather.Call[uuid.UUID, State]) {
	ids := map[uuid.UUID]bool{}
	for _, call := range calls {
		ids[call.Request] = true
	}
	var states []State
	err := again(ctx, func() (err error) {
		states, err = at.many(ctx, c.pool, slices.Collect(maps.Keys(ids))...)
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
