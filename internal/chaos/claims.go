package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sluice/internal/chaos/cluster"
)

// claims sees to it that two faults do not act on the same part at once: a worker, a server, the dispatcher.
type claims struct {
	mu    sync.Mutex
	taken map[string]bool
}

const (
	partPostgres   = "postgres"
	partTemporal   = "temporal"
	partDispatcher = "the dispatcher"
	partGlobal     = "the global limit"
	claimPatience  = 2 * time.Minute // stale claims take so long
	claimLook      = 50 * time.Millisecond
)

func partPlan(n int) string               { return "the limits of plan " + planName(n) }
func partPlace(p place) string            { return fmt.Sprintf("the limits of workspace %s", p.workspace) }
func partWorker(w *cluster.Worker) string { return fmt.Sprintf("worker %d", w.Number) }

// try takes a part if it is free.
func (c *claims) try(part string) (release func(), ok bool) {
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

// take waits for a part.
func (c *claims) take(ctx context.Context, part string) (release func(), err error) {
	for deadline := time.Now().Add(claimPatience); time.Now().Before(deadline); {
		if release, ok := c.try(part); ok {
			return release, nil
		}
		if err := cluster.Sleep(ctx, claimLook); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s has not been free for %s", part, claimPatience)
}
