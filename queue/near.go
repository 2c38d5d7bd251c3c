package queue

import (
	"sync"

	"github.com/google/uuid"
)

// near tells whoever looks for work in this process what this process has itself put on record: that needs no look at
// Postgres. It is a hint, as NOTIFY is one.
type near struct {
	mu    sync.Mutex
	next  chan struct{}
	freed []uuid.UUID // the workspaces of the last slots that were freed
	count int         // of all that ever were
}

// nearKept is how many freed slots are told of, at most: more than a look takes in.
const nearKept = 64

// rung is closed when something is next put on record.
func (n *near) rung() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

// ring says that something is on record, and whose slots that has freed.
func (n *near) ring(freed ...uuid.UUID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.freed = append(n.freed, freed...)
	n.freed = n.freed[max(0, len(n.freed)-nearKept):]
	n.count += len(freed)
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

// since returns the slots freed after the first so many, and how many there have been by now; nothing if they are too many.
func (n *near) since(count int) (freed []uuid.UUID, now int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if fresh := n.count - count; fresh <= len(n.freed) {
		freed = append(freed, n.freed[len(n.freed)-fresh:]...)
	}
	return freed, n.count
}
