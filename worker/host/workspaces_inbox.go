package host

import (
	"slices"

	"github.com/google/uuid"
)

// Stats say how far the workspace workers fill their budget.
type Stats struct {
	Hosted   int // workspaces with a worker: starting, running or stopping
	Waiting  int // workspaces with work and without a running worker
	Limit    int // the most that are hosted at once
	Draining int // workers that poll no more and finish what they have in hand
	Foreign  int // workspaces that are left to workers which have more of their workflow types
}

// post hands f to the goroutine in run or drain. It never blocks; once all is over it drops f and returns false.
func (w *workspaces) post(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.inbox = append(w.inbox, f)
	select {
	case w.wake <- struct{}{}:
	default: // it will wake anyway
	}
	return true
}

func (w *workspaces) handleInbox() {
	w.mu.Lock()
	inbox := w.inbox
	w.inbox = nil
	w.mu.Unlock()
	for _, f := range inbox {
		f()
	}
}

func (w *workspaces) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.inbox = true, nil
}

// report publishes the stats, and logs when workspaces begin or cease to take turns.
func (w *workspaces) report(s situation) {
	stats := Stats{Hosted: len(w.hosted), Waiting: len(w.waiting), Limit: w.limit, Draining: len(w.draining), Foreign: len(w.foreign)}
	crowded := len(s.waiting)+len(s.cared) > 0 && len(w.hosted) >= w.limit
	var polling []uuid.UUID
	for id, h := range w.hosted {
		if h.phase == running {
			polling = append(polling, id)
		}
	}
	slices.SortFunc(polling, byID)
	w.mu.Lock()
	w.stats, w.polling, w.full = stats, polling, crowded
	w.mu.Unlock()
	if crowded == w.crowded {
		return
	}
	w.crowded = crowded
	if crowded {
		w.log.Warn("more workspaces have work than the poll budget has room for; they take turns",
			"waiting", stats.Waiting, "limit", stats.Limit, "turn", w.rules.turn)
	} else {
		w.log.Info("every workspace with work has a worker", "workers", stats.Hosted, "limit", stats.Limit)
	}
}

func (w *workspaces) snapshot() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// isFull tells whether workspaces wait for a place.
func (w *workspaces) isFull() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.full
}

// setLookErr logs when looking at the queue begins to fail, and when it works again.
func (w *workspaces) setLookErr(err error) {
	w.mu.Lock()
	before := w.lookErr
	w.lookErr = err
	w.mu.Unlock()
	if err != nil && (before == nil || before == errNotLooked) {
		w.log.Warn("cannot ask the queue which workspaces have work; will go on asking", "error", err)
	} else if err == nil && before != nil && before != errNotLooked {
		w.log.Info("the queue answers again")
	}
}

// ready is nil when the last look at the queue succeeded.
func (w *workspaces) ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lookErr
}
