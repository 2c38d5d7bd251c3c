package gather

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Gatherer answers requests R with answers A. Set the exported fields before the first call; it must not be copied after it.
type Gatherer[R, A any] struct {
	Doing    string        // what a call does, for the errors of calls that give up
	Room     int           // how many statements may be under way; one of them is shared
	Patience time.Duration // how long calls wait while no statement begins; zero: one second

	Size  func(R) int // of a request, in bytes
	Alone func(context.Context, R) (A, error)
	// Together answers calls by one statement, in any order. Those that it does not answer go on alone.
	Together func(context.Context, []*Call[R, A])

	mu       sync.Mutex // guards what follows, and the batches
	waiting  []*batch[R, A]
	underWay int
	sharing  bool // one of those under way is shared, and takes what waits when it is over
	begun    int  // shared statements so far
	watched  bool
}

// What one statement takes at most: so many calls, and so many bytes, unless one call alone has more.
const (
	maxCalls = 256
	maxBytes = 4 << 20
)

const defaultPatience = time.Second

// Call is a request that waits for its answer.
type Call[R, A any] struct {
	Request R

	answer   A
	err      error
	answered bool
	batch    *batch[R, A]
}

// Reply answers the call.
func (c *Call[R, A]) Reply(answer A, err error) { c.answer, c.err, c.answered = answer, err, true }

// Do returns what Alone would. When ctx ends first, the request may or may not have been carried out.
func (g *Gatherer[R, A]) Do(ctx context.Context, request R) (none A, _ error) {
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("%s: %w", g.Doing, err)
	}
	mine := g.join(request)
	if mine == nil {
		defer g.next()
		return g.Alone(ctx, request)
	}
	select {
	case <-mine.batch.over:
		if mine.answered {
			return mine.answer, mine.err
		}
		return g.Alone(ctx, request)
	case <-ctx.Done():
		g.leave(mine)
		return none, fmt.Errorf("%s: %w", g.Doing, ctx.Err())
	}
}

// Waiting is how many calls wait for the next shared statement.
func (g *Gatherer[R, A]) Waiting() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.waiting {
		n += len(b.calls)
	}
	return n
}

// join returns nil if there is room for a statement of the call's own.
func (g *Gatherer[R, A]) join(request R) *Call[R, A] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.underWay < g.Room && len(g.waiting) == 0 {
		g.underWay++
		return nil
	}
	size, last := g.Size(request), len(g.waiting)-1
	if last < 0 || len(g.waiting[last].calls) == maxCalls || g.waiting[last].bytes+size > maxBytes {
		g.waiting = append(g.waiting, &batch[R, A]{over: make(chan struct{})})
		last++
	}
	b := g.waiting[last]
	mine := &Call[R, A]{Request: request, batch: b}
	b.calls, b.bytes = append(b.calls, mine), b.bytes+size
	if !g.watched {
		g.watch()
	}
	return mine
}

// next gives the place of a statement of one call to the calls that have gathered.
func (g *Gatherer[R, A]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 || g.sharing {
		g.underWay--
		return
	}
	g.sharing = true
	go g.share()
}
