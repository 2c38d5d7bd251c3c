package queue

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// Looking a definition up is a third of what an enqueue costs beside its INSERT, and whoever enqueues names the same few
// again and again. Definitions never change their owner and seldom go: one that was there lately is taken to be there
// still. If it is not, the item ends as one does whose definition goes right after its enqueue.
const (
	vouchedFor  = 5 * time.Second
	vouchedMost = 100_000 // pairs: some 10 MB
)

// vouched remembers which definitions belonged to which workspaces when that was last looked up, outside of transactions
// that could still be rolled back.
type vouched struct {
	mu    sync.RWMutex
	until map[ownership]time.Time
}

// ownership says that a definition is a workspace's.
type ownership struct{ workspace, definition uuid.UUID }

func (i Item) ownership() ownership { return ownership{i.WorkspaceID, i.DefinitionID} }

func (v *vouched) has(o ownership, now time.Time) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return now.Before(v.until[o])
}

// missing are those of the pairs that it does not know to be right.
func (v *vouched) missing(now time.Time, pairs []ownership) (unknown []ownership) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, o := range pairs {
		if !now.Before(v.until[o]) {
			unknown = append(unknown, o)
		}
	}
	return unknown
}

// add notes what was looked up after the moment asked. It begins anew when it is full.
func (v *vouched) add(asked time.Time, seen ...ownership) {
	if len(seen) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.until == nil || len(v.until)+len(seen) > vouchedMost {
		v.until = make(map[ownership]time.Time, len(seen))
	}
	for _, o := range seen {
		v.until[o] = asked.Add(vouchedFor)
	}
}
