package queue

import (
	"sync"
	"time"

	"sluice/internal/store"
)

// Looking a definition up is a quarter of what an enqueue costs the server beside its INSERT, and an application names the same
// few again and again. A definition never changes its owner and is seldom deleted, so one that was there a moment ago is taken
// to be there still. If it is not, the item ends as one does whose definition is deleted right after its enqueue.
const (
	checkedFor  = 5 * time.Second
	checkedMost = 100_000 // pairs: some 10 MB
)

// checkedDefinitions remembers which definitions belonged to which workspaces when that was last looked up, outside of
// transactions that could still be rolled back.
type checkedDefinitions struct {
	mu    sync.RWMutex
	until map[store.Ownership]time.Time
}

func (c *checkedDefinitions) has(o store.Ownership, now time.Time) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return now.Before(c.until[o])
}

// missing returns the pairs of items that have to be checked, each once.
func (c *checkedDefinitions) missing(items []store.Arrival, now time.Time) (unknown []store.Ownership) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	seen := map[store.Ownership]struct{}{}
	for i := range items {
		o := items[i].Ownership
		if _, ok := seen[o]; ok {
			continue
		}
		seen[o] = struct{}{}
		if !now.Before(c.until[o]) {
			unknown = append(unknown, o)
		}
	}
	return unknown
}

// add notes what was looked up after the moment asked. It begins anew when it is full.
func (c *checkedDefinitions) add(asked time.Time, found ...store.Ownership) {
	if len(found) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil || len(c.until)+len(found) > checkedMost {
		c.until = make(map[store.Ownership]time.Time, len(found))
	}
	for _, o := range found {
		c.until[o] = asked.Add(checkedFor)
	}
}

func (c *checkedDefinitions) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = nil
}
