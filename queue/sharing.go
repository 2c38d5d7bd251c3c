package queue

import (
	"context"
	"errors"
	"time"

	"sluice/internal/gather"
	"sluice/internal/store"
)

// enqueuesUnderWay is how many single enqueues have a statement at a time. Those that come meanwhile share the next, with one
// commit and one event. Two callers never wait for one another: a statement each is as fast.
//
// Of sixteen callers each takes Postgres some 60 µs of processor time this way and Go 42. A bare INSERT takes 180 and 69, and a
// statement of its own 220 and 80: most of that is the commit.
const enqueuesUnderWay = 2

// shares is false for a pool that prepares connections for each caller, to take on a role for example: there a statement is
// one caller's only.
func (c *Client) shares() bool {
	config := c.pool.Config()
	//lint:ignore SA1019 applications set it all the same
	return config.PrepareConn == nil && config.BeforeAcquire == nil
}

// sharing returns nil for a pool whose statements are one caller's only.
func (c *Client) sharing() *gather.Gatherer[store.Arrival, Answer] {
	if !c.shares() {
		return nil
	}
	return &gather.Gatherer[store.Arrival, Answer]{
		Doing: "enqueue", Room: enqueuesUnderWay,
		Size:  func(a store.Arrival) int { return len(a.Input) },
		Alone: c.enqueueAlone, Together: c.enqueueTogether,
	}
}

func (c *Client) enqueueTogether(ctx context.Context, calls []*gather.Call[store.Arrival, Answer]) {
	items, newID := make([]store.Arrival, len(calls)), ids(len(calls))
	for i, call := range calls {
		items[i] = call.Request
		items[i].ID = newID()
	}
	if c.narrow.Load() {
		c.enqueueNarrowly(ctx, calls, items)
		return
	}
	asked := time.Now()
	check := c.checked.missing(items, asked)
	err := store.Wrap(c.transact(ctx, func(db store.DB) error { return store.EnqueueMany(ctx, db, items, true, check) }), "enqueue")
	if errors.As(err, new(*store.RequestError)) || store.IsForbidden(err) {
		return // nothing of it has happened; each finds out alone whose item it was, or that the role is narrow
	}
	if err == nil {
		c.checked.add(asked, check...)
	}
	for i, call := range calls {
		if err != nil {
			call.Reply(Answer{}, err)
			continue
		}
		call.Reply(queued(items[i].ID), nil)
	}
}

// enqueueNarrowly has a function of the database enqueue each item, in one transaction.
func (c *Client) enqueueNarrowly(ctx context.Context, calls []*gather.Call[store.Arrival, Answer], items []store.Arrival) {
	answers := make([]Answer, len(items))
	err := store.Wrap(c.transact(ctx, func(db store.DB) error {
		return store.EnqueueMixed(ctx, db, nil, items, nil, func(i int, answer store.Enqueued, err error) error {
			answers[i] = Answer(answer)
			return err
		})
	}), "enqueue")
	if errors.As(err, new(*store.RequestError)) {
		return
	}
	for i, call := range calls {
		if err != nil {
			answers[i] = Answer{}
		}
		call.Reply(answers[i], err)
	}
}
