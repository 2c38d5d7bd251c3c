package queue

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// gatherer has calls that come at the same time share statements: while one is under way others gather, and the next
// takes all of them. Whoever comes while there is room has a statement of his own and waits for nobody. It needs no
// closing: when nobody waits, nothing runs.
type gatherer[R, A any] struct {
	doing    string        // in errors
	room     int           // how many statements may be under way; one of them is shared
	patience time.Duration // see watch

	size  func(R) int // in bytes
	alone func(context.Context, R) (A, error)
	// together answers calls by one statement, in whatever order; those it leaves unanswered go on alone.
	together func(context.Context, []*call[R, A])

	mu       sync.Mutex // guards what follows, and the batches
	waiting  []*batch[R, A]
	underWay int
	sharing  bool // one of those under way is shared; whoever waits when it is over comes next
	begun    int  // shared ones so far
	watched  bool
}

// What one statement takes at most: so many calls, and so many bytes, unless one alone has more.
const (
	maxGathered      = 256
	maxGatheredBytes = 4 << 20

	defaultPatience = time.Second
)

// call is a request and the caller who waits for its answer.
type call[R, A any] struct {
	request  R
	answer   A
	err      error
	answered bool
	batch    *batch[R, A]
}

func (c *call[R, A]) reply(answer A, err error) { c.answer, c.err, c.answered = answer, err, true }

// batch is the calls that share a statement. It ends early when none of the callers waits any more.
type batch[R, A any] struct {
	calls  []*call[R, A]
	bytes  int
	left   int                // of the callers, while it is under way
	cancel context.CancelFunc // nil: not under way yet
	over   chan struct{}
}

// do returns what alone does. When ctx ends first, it may or may not have been done.
func (g *gatherer[R, A]) do(ctx context.Context, request R) (none A, _ error) {
	if err := ctx.Err(); err != nil {
		return none, wrap(err, g.doing)
	}
	mine := g.join(request)
	if mine == nil {
		defer g.next()
		return g.alone(ctx, request)
	}
	select {
	case <-mine.batch.over:
		if mine.answered {
			return mine.answer, mine.err
		}
		return g.alone(ctx, request)
	case <-ctx.Done():
		g.leave(mine)
		return none, wrap(ctx.Err(), g.doing)
	}
}

// join returns nil if there is room for a statement of one's own.
func (g *gatherer[R, A]) join(request R) *call[R, A] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.underWay < g.room && len(g.waiting) == 0 {
		g.underWay++
		return nil
	}
	size, last := g.size(request), len(g.waiting)-1
	if last < 0 || len(g.waiting[last].calls) == maxGathered || g.waiting[last].bytes+size > maxGatheredBytes {
		g.waiting = append(g.waiting, &batch[R, A]{over: make(chan struct{})})
		last++
	}
	b := g.waiting[last]
	mine := &call[R, A]{request: request, batch: b}
	b.calls, b.bytes = append(b.calls, mine), b.bytes+size
	if !g.watched {
		g.watch()
	}
	return mine
}

// next gives the place of a statement of one's own to those who have gathered.
func (g *gatherer[R, A]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 || g.sharing {
		g.underWay--
		return
	}
	g.sharing = true
	go g.share()
}

// share answers one batch after the other until nobody waits.
func (g *gatherer[R, A]) share() {
	for {
		runtime.Gosched() // whoever is about to join does so first
		ctx, cancel := context.WithCancel(context.Background())
		b := g.begin(cancel)
		if b == nil {
			cancel()
			return
		}
		if len(b.calls) == 1 {
			b.calls[0].reply(g.alone(ctx, b.calls[0].request))
		} else {
			g.together(ctx, b.calls)
		}
		close(b.over)
		cancel()
	}
}

// begin takes those who have waited longest. If nobody has, it gives the place up.
func (g *gatherer[R, A]) begin(cancel context.CancelFunc) *batch[R, A] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.sharing = false
		g.underWay--
		return nil
	}
	b := g.waiting[0]
	g.waiting = slices.Delete(g.waiting, 0, 1)
	b.left, b.cancel = len(b.calls), cancel
	g.begun++
	return b
}

// leave gives up waiting, without harm to those who share the statement.
func (g *gatherer[R, A]) leave(c *call[R, A]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := c.batch
	if b.cancel != nil {
		if b.left--; b.left == 0 {
			b.cancel()
		}
		return
	}
	b.calls = slices.DeleteFunc(b.calls, func(other *call[R, A]) bool { return other == c })
	if len(b.calls) == 0 {
		g.waiting = slices.DeleteFunc(g.waiting, func(other *batch[R, A]) bool { return other == b })
	}
}

// watch looks after those who wait: a connection may hang, and its statement with it. If none has begun for as long as
// there is patience, they go on alone.
func (g *gatherer[R, A]) watch() {
	g.watched = true
	begun := g.begun
	time.AfterFunc(g.patience, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.begun == begun {
			for _, b := range g.waiting {
				close(b.over)
			}
			g.waiting = nil
		}
		if g.watched = len(g.waiting) > 0; g.watched {
			g.watch()
		}
	})
}
