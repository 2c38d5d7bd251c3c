package host

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// idleGrace is how long a workspace without work is left alone even when others wait: between an outcome in
	// Postgres and the end of its workflow lies the rest of one workflow task.
	idleGrace = 2 * time.Second
	// lookTimeout bounds one look at the queue.
	lookTimeout = 5 * time.Second
)

var errNotLooked = errors.New("the queue has not been asked yet which workspaces have work")

// workspaces hosts the workspaces that have work. What is above mu belongs to the goroutine that is in run.
type workspaces struct {
	limit  int
	rules  rules
	every  time.Duration                                                  // between two looks at the queue
	active func(context.Context) ([]uuid.UUID, error)                     // the workspaces with work
	start  func(id uuid.UUID, fatal func(error)) (stop func(), err error) // blocks until the worker polls, as stop does until it does not
	log    *slog.Logger

	hosted  map[uuid.UUID]*hosting
	work    map[uuid.UUID]struct{}  // has work, by the last look or a later hint
	hints   map[uuid.UUID]time.Time // when EnsureWorkspace named it, until a look that began later
	waiting map[uuid.UUID]time.Time // has work and no running worker, since when
	failed  map[uuid.UUID]failure
	actions int  // starts and stops in flight
	crowded bool // workspaces wait for a place

	mu      sync.Mutex
	inbox   []func()
	closed  bool
	stats   Stats
	lookErr error
	wake    chan struct{}
}

func newWorkspaces(limit int, r rules, every time.Duration, log *slog.Logger) *workspaces {
	return &workspaces{
		limit: limit, rules: r, every: every, log: log,
		hosted: map[uuid.UUID]*hosting{}, work: map[uuid.UUID]struct{}{}, hints: map[uuid.UUID]time.Time{},
		waiting: map[uuid.UUID]time.Time{}, failed: map[uuid.UUID]failure{},
		stats: Stats{Limit: limit}, lookErr: errNotLooked, wake: make(chan struct{}, 1),
	}
}

// run hosts workspaces until ctx ends; drain then stops what runs.
func (w *workspaces) run(ctx context.Context) {
	var looking sync.WaitGroup
	looking.Go(func() { w.look(ctx) })
	for ctx.Err() == nil {
		w.act()
		select {
		case <-ctx.Done():
		case <-w.wake:
			w.handleInbox()
		}
	}
	looking.Wait()
}

// look asks the queue which workspaces have work, again and again. Each answer also wakes run, so time passes there at this pace.
func (w *workspaces) look(ctx context.Context) {
	for ctx.Err() == nil {
		asked := time.Now()
		asking, cancel := context.WithTimeout(ctx, lookTimeout)
		ids, err := w.active(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		w.setLookErr(err)
		w.post(func() { w.seen(asked, ids, err) })
		select {
		case <-ctx.Done():
		case <-time.After(jitter(w.every)):
		}
	}
}

// seen takes an answer in. A failed look changes nothing: what had work keeps its worker.
func (w *workspaces) seen(asked time.Time, ids []uuid.UUID, err error) {
	if err != nil {
		return
	}
	clear(w.work)
	for _, id := range ids {
		w.work[id] = struct{}{}
	}
	for id, at := range w.hints {
		if at.Before(asked) {
			delete(w.hints, id)
		} else {
			w.work[id] = struct{}{}
		}
	}
}

// ensure says that a workspace is about to have work. It does not block.
func (w *workspaces) ensure(id uuid.UUID) {
	at := time.Now()
	w.post(func() { w.hints[id], w.work[id] = at, struct{}{} })
}

// act brings the bookkeeping up to date, decides and acts.
func (w *workspaces) act() {
	now := time.Now()
	w.refresh(now)
	s := w.situation(now)
	start, stop := s.decide(w.rules)
	for _, id := range stop {
		w.beginStop(id, now)
	}
	for _, id := range start {
		w.beginStart(id)
	}
	w.report(s)
}

// refresh notes which workspaces have work and which wait.
func (w *workspaces) refresh(now time.Time) {
	for id := range w.work {
		h := w.hosted[id]
		if h != nil {
			h.lastActive = now
		}
		if h != nil && h.phase == running {
			delete(w.waiting, id)
		} else if _, waits := w.waiting[id]; !waits {
			w.waiting[id] = now
		}
	}
	for id := range w.waiting {
		if _, works := w.work[id]; !works {
			delete(w.waiting, id)
		}
	}
	for id := range w.failed {
		h := w.hosted[id]
		if _, works := w.work[id]; !works || h != nil && h.phase == running && !h.dead && now.Sub(h.since) > maxRetryPause {
			delete(w.failed, id)
		}
	}
}

func (w *workspaces) situation(now time.Time) situation {
	s := situation{now: now, limit: w.limit, hosted: map[uuid.UUID]tenure{}, waiting: map[uuid.UUID]time.Time{}}
	for id, h := range w.hosted {
		_, works := w.work[id]
		if h.phase == stopping {
			s.stopping++
		} else {
			s.hosted[id] = tenure{since: h.since, lastActive: h.lastActive, active: works, starting: h.phase == starting}
		}
	}
	for id, since := range w.waiting {
		// What is still starting or stopping cannot be started; what failed a moment ago must not cost another its place.
		if w.hosted[id] == nil && !now.Before(w.failed[id].until) {
			s.waiting[id] = since
		}
	}
	return s
}

// jitter spreads the looks of several processes: d give or take a quarter.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}
