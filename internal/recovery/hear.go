package recovery

import (
	"context"
	"sync"
)

// hearAtOnce is how many hints are looked at that nobody waits for. A pass finds what is said while there are more.
const hearAtOnce = 256

// Hints are looked at in the background. The zero value is not usable; see NewHints.
type Hints struct {
	recovery *Recovery

	mu     sync.Mutex
	closed bool
	open   int
	flying sync.WaitGroup
}

// NewHints returns a place for hints that nobody waits for.
func NewHints(r *Recovery) *Hints { return &Hints{recovery: r} }

// Hear has a hint looked at soon. It does not wait.
func (h *Hints) Hear(hint Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.open >= hearAtOnce {
		return
	}
	h.open++
	h.flying.Go(func() {
		if err := h.recovery.Look(context.Background(), hint); err != nil {
			h.recovery.log.Debug("a hint was not looked at; the next pass finds what it said", "workflow", hint.WorkflowID, "item", hint.Item, "error", err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.open--
	})
}

// Close hears no more, and returns when what was heard has been looked at.
func (h *Hints) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.flying.Wait()
}
