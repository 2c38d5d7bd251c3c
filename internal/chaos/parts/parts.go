// Package parts sees to it that two faults do not act on the same part of a system at once: a worker, a server, a limit, the dispatcher. It
// knows parts by their names alone.
package parts

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// Patience is how long a part is waited for.
	Patience = 2 * time.Minute // stale claims take so long
	// Look is the time from one look at whether it is free to the next.
	Look = 50 * time.Millisecond
)

// Claims are the parts that faults act on. The zero value has none.
type Claims struct {
	mu    sync.Mutex
	taken map[string]bool
}

// Try takes a part if it is free.
func (c *Claims) Try(part string) (release func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken[part] {
		return nil, false
	}
	if c.taken == nil {
		c.taken = map[string]bool{}
	}
	c.taken[part] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.taken, part)
	}, true
}

// Take waits for a part.
func (c *Claims) Take(ctx context.Context, part string) (release func(), err error) {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		if release, ok := c.Try(part); ok {
			return release, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(Look):
		}
	}
	return nil, fmt.Errorf("%s has not been free for %s", part, Patience)
}
