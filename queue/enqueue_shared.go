package queue

import (
	"bytes"
	"context"
	"errors"
)

// enqueuesUnderWay are how many single enqueues have a statement at a time. Those that come meanwhile share the next, with
// one commit and one bell (see gatherer). Two callers do without: that is as fast, and neither waits for the other.
//
// Of sixteen callers each takes Postgres some 60 µs of processor time so and Go 42, where a bare INSERT takes 180 and 69,
// and a statement of its own 220 and 80 (beside one another on a busy machine; the commit is most of it).
const enqueuesUnderWay = 2

// newSharing returns nil for a pool that makes its connections fit for whoever asks, a tenant's role for example: there
// a statement is one caller's only.
func (q *Queue) newSharing() *gatherer[Item, Answer] {
	if q.pool == nil {
		return nil
	}
	config := q.pool.Config()
	//lint:ignore SA1019 applications set it all the same
	if config.PrepareConn != nil || config.BeforeAcquire != nil {
		return nil
	}
	return &gatherer[Item, Answer]{
		doing: "enqueue", patience: defaultPatience, room: enqueuesUnderWay,
		size:  func(item Item) int { return len(item.Input) },
		alone: q.enqueueAlone, together: q.enqueueTogether,
	}
}

// enqueueSharing is enqueueAlone, to the same answer.
func (q *Queue) enqueueSharing(ctx context.Context, item Item) (Answer, error) {
	if q.sharing == nil {
		return q.enqueueAlone(ctx, item)
	}
	item.Input = bytes.Clone(item.Input) // a caller that gives up may use its own for something else
	return q.sharing.do(ctx, item)
}

func (q *Queue) enqueueTogether(ctx context.Context, calls []*call[Item, Answer]) {
	m := emptyMany(len(calls))
	for place, c := range calls {
		m.add(place, c.request)
	}
	err := q.enqueueMany(ctx, m)
	if errors.As(err, new(*RequestError)) {
		return // nothing of it has happened; each finds out alone whose item it was
	}
	if err != nil {
		clear(m.answers)
	}
	for place, c := range calls {
		c.reply(m.answers[place], err)
	}
}
