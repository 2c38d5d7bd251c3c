package places

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// ErrFull says that a workspace may not even wait: it has as many calls here already as its part is.
var ErrFull = errors.New("the workspace has as many calls under way as it may have beside others")

// Places are safe for concurrent use.
type Places struct {
	changed func(taken, waiting int)

	mu      sync.Mutex
	taken   share
	waiting share
	line    []*waiter // in the order in which they came
}

type waiter struct {
	of    uuid.UUID
	admit chan struct{} // closed when it has its place
}

// New makes places for so many calls at once. Changed is called, one call at a time, with how many places are taken and how many calls
// wait, whenever that has changed; it must not block.
func New(size int, changed func(taken, waiting int)) *Places {
	return &Places{changed: changed, taken: newShare(size), waiting: newShare(size)}
}

// Take waits for a place for a call of a workspace, which is the caller's until it leaves, once. It returns ErrFull, or the cause of the end
// of ctx.
func (p *Places) Take(ctx context.Context, of uuid.UUID) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	leave = func() { p.leave(of) }
	if p.taken.may(of) { // then nobody of its workspace waits
		p.taken.take(of)
		p.tell()
		return leave, nil
	}
	if !p.waiting.may(of) {
		return nil, ErrFull
	}
	w := &waiter{of: of, admit: make(chan struct{})}
	p.line = append(p.line, w)
	p.waiting.take(of)
	p.tell()
	p.mu.Unlock()
	select {
	case <-w.admit:
	case <-ctx.Done():
	}
	p.mu.Lock()
	at := slices.Index(p.line, w)
	if at < 0 { // it has its place, even if ctx has ended meanwhile
		return leave, nil
	}
	p.line = slices.Delete(p.line, at, at+1)
	p.waiting.leave(of)
	p.tell()
	return nil, context.Cause(ctx)
}

func (p *Places) leave(of uuid.UUID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken.leave(of)
	for p.admitNext() {
	}
	p.tell()
}

// admitNext gives a place to who has waited longest, of the workspaces that hold fewest. It tells whether there was one who may take it.
func (p *Places) admitNext() bool {
	next := -1
	for i, w := range p.line {
		if p.taken.may(w.of) && (next < 0 || p.taken.of[w.of] < p.taken.of[p.line[next].of]) {
			next = i
		}
	}
	if next < 0 {
		return false
	}
	w := p.line[next]
	p.line = slices.Delete(p.line, next, next+1)
	p.waiting.leave(w.of)
	p.taken.take(w.of)
	close(w.admit)
	return true
}

func (p *Places) tell() { p.changed(p.taken.sum, p.waiting.sum) }

// share is who holds how many of a number of places.
type share struct {
	size, sum int
	of        map[uuid.UUID]int
}

func newShare(size int) share { return share{size: size, of: map[uuid.UUID]int{}} }

// may tells whether a workspace holds less than a quarter of what is free.
func (s *share) may(workspace uuid.UUID) bool { return 4*s.of[workspace] < s.size-s.sum }

func (s *share) take(workspace uuid.UUID) {
	s.of[workspace]++
	s.sum++
}

func (s *share) leave(workspace uuid.UUID) {
	s.sum--
	if s.of[workspace]--; s.of[workspace] == 0 {
		delete(s.of, workspace)
	}
}
