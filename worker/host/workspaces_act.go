package host

import (
	"errors"
	"time"

	"github.com/google/uuid"
)

const (
	// actionsAtOnce bounds the starts and stops in flight; each is one or two calls to Temporal.
	actionsAtOnce = 16
	// Pause after a failed start, doubled up to the maximum.
	minRetryPause = 250 * time.Millisecond
	maxRetryPause = 15 * time.Second
)

// ErrDrain says that workers were still busy when the shutdown timeout had passed.
var ErrDrain = errors.New("workers were still busy when the shutdown timeout had passed; their tasks will be run again elsewhere")

// hosting is a workspace with a worker; the phases are those of doc.go.
type hosting struct {
	phase             phase
	since, lastActive time.Time
	stop              func(left func())
	dead              bool // its worker gave up by itself
}

type phase int

const (
	starting phase = iota
	running
	stopping
)

// failure is a start that failed, or a worker that died.
type failure struct {
	pause time.Duration
	until time.Time
}

// beginStart starts a worker off the loop. When too much is in flight it does nothing: the end of any action leads to
// the next decision.
func (w *workspaces) beginStart(id uuid.UUID) {
	if w.actions >= actionsAtOnce {
		return
	}
	w.actions++
	h := &hosting{phase: starting, lastActive: time.Now()}
	w.hosted[id] = h
	go func() {
		stop, err := w.start(id, func(err error) { w.post(func() { w.died(id, h, err) }) })
		if !w.post(func() { w.started(id, h, stop, err) }) && err == nil {
			stop(func() {}) // run has given up waiting for us
		}
	}()
}

func (w *workspaces) started(id uuid.UUID, h *hosting, stop func(left func()), err error) {
	w.actions--
	if err != nil {
		delete(w.hosted, id)
		w.fail(id, "start workspace worker", err)
		return
	}
	h.phase, h.stop, h.since = running, stop, time.Now()
	if h.dead {
		w.bury(id, h)
		return
	}
	w.log.Debug("workspace worker started", "workspace", id)
}

// beginStop is beginStart's counterpart.
func (w *workspaces) beginStop(id uuid.UUID, now time.Time) {
	if w.actions >= actionsAtOnce {
		return
	}
	w.actions++
	h := w.hosted[id]
	h.phase = stopping
	if _, works := w.work[id]; works {
		w.waiting[id] = now
	}
	go w.stopAndForget(id, h)
}

// died handles a worker that gave up by itself, perhaps before it was known to have started.
func (w *workspaces) died(id uuid.UUID, h *hosting, err error) {
	h.dead = true
	w.fail(id, "run workspace worker", err)
	if h.phase == running {
		w.bury(id, h)
	}
}

// bury waits for the SDK to stop a dead worker. That is beyond the bound on actions, because it polls no more.
func (w *workspaces) bury(id uuid.UUID, h *hosting) {
	w.actions++
	h.phase = stopping
	go w.stopAndForget(id, h)
}

// stopAndForget gives a worker's place away when it does not poll any more, and forgets it when nothing is in its hands any more.
func (w *workspaces) stopAndForget(id uuid.UUID, h *hosting) {
	h.stop(func() {
		w.post(func() {
			w.actions--
			delete(w.hosted, id)
			w.draining[h] = struct{}{}
		})
	})
	w.post(func() {
		delete(w.draining, h)
		w.log.Debug("workspace worker stopped", "workspace", id)
	})
}

func (w *workspaces) fail(id uuid.UUID, doing string, err error) {
	f := w.failed[id]
	f.pause = min(max(2*f.pause, minRetryPause), maxRetryPause)
	f.until = time.Now().Add(jitter(f.pause))
	w.failed[id] = f
	w.log.Warn("cannot "+doing+"; will try again", "workspace", id, "in", f.pause, "error", err)
}

// drain stops all workers, all at once, and those that are still starting as soon as they have. It is called after run. What
// is in hand then has the given time; after it cut is called, which is to end that, and a quarter more. It returns ErrDrain when
// that was too short.
func (w *workspaces) drain(timeout time.Duration, cut func()) error {
	defer w.close()
	patience := time.NewTimer(timeout)
	defer patience.Stop()
	var last <-chan time.Time
	for {
		for id, h := range w.hosted {
			if h.phase == running {
				w.actions++
				h.phase = stopping
				go w.stopAndForget(id, h)
			}
		}
		if len(w.hosted) == 0 && len(w.draining) == 0 && w.actions == 0 {
			return nil
		}
		select {
		case <-w.wake:
			w.handleInbox()
		case <-patience.C:
			w.log.Warn("the shutdown timeout cuts off what workspaces have in hand; it will be done elsewhere", "workers", len(w.hosted)+len(w.draining))
			cut()
			last = time.After(timeout / 4)
		case <-last:
			return ErrDrain
		}
	}
}
