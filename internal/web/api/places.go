package api

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice/internal/web/access"
)

const (
	// mostReading is how many requests of one workspace's tokens, or of one operator's, have a place to read at once. There are eight
	// connections: some are left to others however long a read takes.
	mostReading = 4
	// mostKeyed is how many items are enqueued at once under one unique key, one by one. They wait for one another in Postgres too, and for an
	// application that has enqueued under the key in a transaction of its own, which may take long.
	mostKeyed = 1
	// largeBody is from how many bytes on a request's body is large, and mostLarge how many of these are looked at at once for one workspace. What
	// JSON is made of may have twenty times its bytes in memory, and thirty more to be collected: 2 MiB of {} in a list, for example.
	largeBody, mostLarge = 128 << 10, 2
	// placePatience is how long a request waits for a place.
	placePatience = 10 * time.Second
)

// places limit how many slow or large requests are handled at once for one workspace's tokens, or for one operator's token. A request that
// finds no free place waits for placePatience. A request that waits for items needs no place, nor does a small one that enqueues a single item without
// a unique key: many of these share a statement, or each takes a short one.
type places struct {
	most     int
	patience time.Duration

	mu sync.Mutex
	of map[uuid.UUID]*place // by placesOf, or by unique key
}

type place struct {
	taken chan struct{}
	users int // requests that have a place, or wait for one
}

func newPlaces(most int, patience time.Duration) *places {
	return &places{most: most, patience: patience, of: map[uuid.UUID]*place{}}
}

// placesOf is by whom places are counted.
func placesOf(who access.Caller) uuid.UUID { return cmp.Or(who.Workspace, who.Token) }

// take waits for a place among those of a key, which is the caller's until it leaves.
func (p *places) take(ctx context.Context, key uuid.UUID) (leave func(), err error) {
	p.mu.Lock()
	at := p.of[key]
	if at == nil {
		at = &place{taken: make(chan struct{}, p.most)}
		p.of[key] = at
	}
	at.users++
	p.mu.Unlock()
	gone := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if at.users--; at.users == 0 {
			delete(p.of, key)
		}
	}
	late := time.NewTimer(p.patience)
	defer late.Stop()
	select {
	case at.taken <- struct{}{}:
		return func() { <-at.taken; gone() }, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-late.C:
		err = newProblem(http.StatusTooManyRequests, "too-many", "too many requests that take long are under way; try again").later()
	}
	gone()
	return nil, err
}
