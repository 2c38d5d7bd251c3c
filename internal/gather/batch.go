package gather

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// batch is the calls that share a statement.
type batch[R, A any] struct {
	calls  []*Call[R, A]
	bytes  int
	left   int                // callers that still wait, while it is under way
	cancel context.CancelFunc // nil: not under way yet
	over   chan struct{}
}

// share answers one batch after the other until none waits.
func (g *Gatherer[R, A]) share() {
	for {
		runtime.Gosched() // calls that are about to join do so first
		ctx, cancel := context.WithCancel(context.Background())
		b := g.begin(cancel)
		if b == nil {
			cancel()
			return
		}
		if len(b.calls) == 1 {
			b.calls[0].Reply(g.Alone(ctx, b.calls[0].Request))
		} else {
			g.Together(ctx, b.calls)
		}
		close(b.over)
		cancel()
	}
}

// begin takes the batch that has waited longest. If there is none, it gives the place up.
func (g *Gatherer[R, A]) begin(cancel context.CancelFunc) *batch[R, A] {
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

// leave takes a call that gives up out of its batch. If that is under way, it ends when the last of its callers has left.
func (g *Gatherer[R, A]) leave(c *Call[R, A]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := c.batch
	if b.cancel != nil {
		if b.left--; b.left == 0 {
			b.cancel()
		}
		return
	}
	b.calls = slices.DeleteFunc(b.calls, func(other *Call[R, A]) bool { return other == c })
	if len(b.calls) == 0 {
		g.waiting = slices.DeleteFunc(g.waiting, func(other *batch[R, A]) bool { return other == b })
	}
}

// watch looks after calls that wait: a connection may hang, and the shared statement with it. If no shared statement has
// begun for as long as there is patience, the calls go on alone.
func (g *Gatherer[R, A]) watch() {
	g.watched = true
	begun, patience := g.begun, g.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	time.AfterFunc(patience, func() {
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
