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

// bytesOfPlace is about what a call has in memory beside its body, which is there several times.
const bytesOfPlace = 64 << 10

// Places are safe for concurrent use.
type Places struct {
	changed func(taken, waiting int)

	mu      sync.Mutex
	taken   share
	waiting share
	line    []*waiter // oldest first
}

type waiter struct {
	of     uuid.UUID
	weight int
	admit  chan struct{} // closed when it has its place
}

// New makes places for so many calls at once. Changed is called, one call at a time, with how many places are taken and how many calls
// wait, whenever that has changed; it must not block.
func New(size int, changed func(taken, waiting int)) *Places {
	return &Places{changed: changed, taken: newShare(size), waiting: newShare(size)}
}

// Take waits for a place for a call of a workspace, or for as many as its body takes, which are the caller's until it leaves, once. It
// returns ErrFull, or the cause of the end of ctx.
func (p *Places) Take(ctx context.Context, of uuid.UUID, bytes int) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	weight := p.weigh(bytes)
	leave = func() { p.leave(of, weight) }
	if p.taken.may(of, weight) {
		p.taken.take(of, weight)
		p.tell()
		return leave, nil
	}
	if !p.waiting.may(of, weight) {
		return nil, ErrFull
	}
	w := &waiter{of: of, weight: weight, admit: make(chan struct{})}
	p.line = append(p.line, w)
	p.waiting.take(of, weight)
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
	p.waiting.leave(of, weight)
	p.tell()
	return nil, context.Cause(ctx)
}

// weigh tells how many places a call takes: one for each 64 KiB of its body that are begun, and no more than a workspace alone may have.
func (p *Places) weigh(bytes int) int { return min(1+bytes/bytesOfPlace, max(1, p.taken.size/5)) }

func (p *Places) leave(of uuid.UUID, weight int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken.leave(of, weight)
	for p.admitNext() {
	}
	p.tell()
}

// admitNext admits the call that has waited longest, of those of the workspaces that hold fewest places. It returns false if none may be admitted.
func (p *Places) admitNext() bool {
	next := -1
	for i, w := range p.line {
		if p.taken.may(w.of, w.weight) && (next < 0 || p.taken.of[w.of] < p.taken.of[p.line[next].of]) {
			next = i
		}
	}
	if next < 0 {
		return false
	}
	w := p.line[next]
	p.line = slices.Delete(p.line, next, next+1)
	p.waiting.leave(w.of, w.weight)
	p.taken.take(w.of, w.weight)
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

// may tells whether a workspace may take so many more: as long as it holds less than a quarter of what is free, each time that it takes one. One
// that holds none needs no more than that they are free.
func (s *share) may(workspace uuid.UUID, n int) bool {
	held, free := s.of[workspace], s.size-s.sum
	return n <= free && (held == 0 || 4*(held+n-1) < free-(n-1))
}

func (s *share) take(workspace uuid.UUID, n int) {
	s.of[workspace] += n
	s.sum += n
}

func (s *share) leave(workspace uuid.UUID, n int) {
	s.sum -= n
	if s.of[workspace] -= n; s.of[workspace] == 0 {
		delete(s.of, workspace)
	}
}
