package dashboard

import (
	"context"
	"sync"
	"time"
)

const (
	// leastLive is for how long the live part of a page serves all who look at it, and liveRests how many times as long as it took to make
	// all that somebody looks at: a twentieth of the time, whatever is looked at. What it took has waits in it, for a dispatcher's answer too, so
	// it serves for longestLive at most.
	leastLive   = 1500 * time.Millisecond
	longestLive = 10 * time.Second
	liveRests   = 20
	// lookedAt is for how long after it was made the live part of a page counts as looked at.
	lookedAt = time.Minute
	// mostLive is how many are kept.
	mostLive = 256
)

// livePages are the live parts of pages that were asked for lately: however many look at one, it is made once, and all together take a
// twentieth of the time, unless they became too old.
type livePages struct {
	mu     sync.Mutex
	byPage map[liveKey]*livePage
}

// liveKey is what the live part of a page depends on: its address, and whether who asks may change nothing.
type liveKey struct {
	at    string
	looks bool
}

// livePage is one of them. Its turn is held by who makes it.
type livePage struct {
	turn   chan struct{}
	status int
	body   []byte
	until  time.Time // it is served until then

	made time.Time     // guarded by the lock of all, as is took
	took time.Duration // to make it
}

// of returns the live part of a page, made by make unless somebody has just done so.
func (l *livePages) of(ctx context.Context, at liveKey, make func() (status int, body []byte)) (status int, body []byte, err error) {
	p := l.page(at)
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
	defer func() { <-p.turn }()
	began := time.Now()
	if began.Before(p.until) {
		return p.status, p.body, nil
	}
	p.status, p.body = make()
	p.until = began.Add(min(max(leastLive, liveRests*l.note(p, began)), longestLive))
	if p.status >= 500 {
		p.until = time.Time{} // what was missing may be back
	}
	return p.status, p.body, nil
}

// note notes how long a page took to make, and returns how long all took together that are looked at.
func (l *livePages) note(p *livePage, began time.Time) (all time.Duration) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	p.made, p.took = now, now.Sub(began)
	for _, other := range l.byPage {
		if now.Sub(other.made) < lookedAt {
			all += other.took
		}
	}
	return max(all, p.took) // it may have been forgotten meanwhile
}

func (l *livePages) page(at liveKey) *livePage {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.byPage[at]
	if p == nil {
		if len(l.byPage) >= mostLive || l.byPage == nil {
			l.byPage = map[liveKey]*livePage{}
		}
		p = &livePage{turn: make(chan struct{}, 1)}
		l.byPage[at] = p
	}
	return p
}

// forget has all of them made anew: something has been changed.
func (l *livePages) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byPage = nil
}
