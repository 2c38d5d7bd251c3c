package host

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store/fleet"
)

const (
	// idleGrace is how long a workspace without work is left alone even when others wait: between an outcome in
	// Postgres and the end of its workflow lies the rest of one workflow task.
	idleGrace = 2 * time.Second
	// lookTimeout bounds one look at the queue.
	lookTimeout = 5 * time.Second
	// lackPatience is how long a workspace is left alone that needs workflow types which this worker does not have, and nobody
	// else either: another one may just be starting, or come back with the database.
	lackPatience = 3 * time.Second
	// A hint leads to a look at once, unless looks would take more than a fifth of the time.
	leastLookPause = 5 * time.Millisecond
	lookShare      = 4
)

var errNotLooked = errors.New("the queue has not been asked yet which workspaces have work")

// question is what a worker asks: which workspaces need one, of those that hold slots and those that are named. It tells
// meanwhile which it hosts, and whether others wait for a place.
type question struct {
	named, hosted []uuid.UUID
	crowded       bool
}

// workspaces hosts the workspaces that have work. What is above mu belongs to the goroutine that is in run.
type workspaces struct {
	limit int
	rules rules
	every time.Duration // between two looks at the queue
	ask   func(context.Context, question) ([]fleet.Workspace, error)
	// start blocks until the worker polls; stop calls left when it does not any more, and returns when nothing is in its hands.
	start func(id uuid.UUID, fatal func(error)) (stop func(left func()), err error)
	log   *slog.Logger

	hosted   map[uuid.UUID]*hosting
	draining map[*hosting]struct{}   // they poll no more, and finish what they have in hand
	work     map[uuid.UUID]struct{}  // has work for this worker, by the last look or a later hint
	foreign  map[uuid.UUID]struct{}  // has work that is better left to a worker with more of its types
	cared    map[uuid.UUID]bool      // another worker hosts it; true: and has the better right to
	lacking  map[uuid.UUID]time.Time // needs types that nobody has, since when
	waiting  map[uuid.UUID]time.Time // has work and no running worker, since when
	failed   map[uuid.UUID]failure
	actions  int  // starts and stops in flight
	crowded  bool // workspaces wait for a place

	asking chan struct{} // look now

	mu      sync.Mutex
	inbox   []func()
	closed  bool
	hints   map[uuid.UUID]time.Time // when EnsureWorkspace named it, until a look that began later
	polling []uuid.UUID             // those with a running worker
	full    bool                    // crowded, for look
	stats   Stats
	lookErr error
	wake    chan struct{}
}

func newWorkspaces(limit int, r rules, every time.Duration, log *slog.Logger) *workspaces {
	return &workspaces{
		limit: limit, rules: r, every: every, log: log,
		hosted: map[uuid.UUID]*hosting{}, draining: map[*hosting]struct{}{}, work: map[uuid.UUID]struct{}{},
		foreign: map[uuid.UUID]struct{}{}, cared: map[uuid.UUID]bool{}, lacking: map[uuid.UUID]time.Time{},
		hints: map[uuid.UUID]time.Time{}, waiting: map[uuid.UUID]time.Time{}, failed: map[uuid.UUID]failure{},
		asking: make(chan struct{}, 1), stats: Stats{Limit: limit}, lookErr: errNotLooked, wake: make(chan struct{}, 1),
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
		found, err := w.ask(asking, w.question())
		cancel()
		if ctx.Err() != nil {
			return
		}
		w.setLookErr(err)
		w.post(func() { w.seen(asked, found, err) })
		next := time.After(jitter(w.every))
		select {
		case <-ctx.Done():
		case <-next:
		case <-time.After(max(leastLookPause, lookShare*time.Since(asked))):
			select {
			case <-ctx.Done():
			case <-next:
			case <-w.asking:
			}
		}
	}
}

func (w *workspaces) question() question {
	w.mu.Lock()
	defer w.mu.Unlock()
	return question{named: slices.Collect(maps.Keys(w.hints)), hosted: w.polling, crowded: w.full}
}

// seen takes an answer in. A failed look changes nothing: what had work keeps its worker.
func (w *workspaces) seen(asked time.Time, found []fleet.Workspace, err error) {
	if err != nil {
		clear(w.lacking)
		return
	}
	clear(w.work)
	clear(w.foreign)
	clear(w.cared)
	lacked := maps.Clone(w.lacking)
	clear(w.lacking)
	for _, f := range found {
		if f.Leaves {
			w.foreign[f.ID] = struct{}{}
			continue
		}
		if f.Elsewhere {
			w.cared[f.ID] = f.Yields
		}
		if f.Lacks && w.hosted[f.ID] == nil {
			since, known := lacked[f.ID]
			if !known {
				since = asked
			}
			w.lacking[f.ID] = since
			if asked.Sub(since) < lackPatience {
				continue
			}
		}
		w.work[f.ID] = struct{}{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, at := range w.hints {
		if at.Before(asked) {
			delete(w.hints, id)
		} else if w.hosted[id] != nil {
			w.work[id] = struct{}{}
		}
	}
}

// ensure says that a workspace is about to have work. It does not block. One without a worker is looked at before it gets one.
func (w *workspaces) ensure(id uuid.UUID) {
	w.mu.Lock()
	w.hints[id] = time.Now()
	_, polling := slices.BinarySearchFunc(w.polling, id, byID)
	w.mu.Unlock()
	if polling {
		w.post(func() {
			if w.hosted[id] != nil {
				w.work[id] = struct{}{}
			}
		})
		return
	}
	select {
	case w.asking <- struct{}{}:
	default: // it is asked already
	}
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
	s := situation{now: now, limit: w.limit, hosted: map[uuid.UUID]tenure{}, waiting: map[uuid.UUID]time.Time{}, cared: map[uuid.UUID]time.Time{}}
	for id, h := range w.hosted {
		_, works := w.work[id]
		_, foreign := w.foreign[id]
		if h.phase == stopping {
			s.stopping++
		} else {
			s.hosted[id] = tenure{since: h.since, lastActive: h.lastActive, active: works, starting: h.phase == starting, foreign: foreign, yields: w.cared[id]}
		}
	}
	for id, since := range w.waiting {
		// What is still starting or stopping cannot be started; what failed a moment ago must not cost another its place.
		if w.hosted[id] != nil || now.Before(w.failed[id].until) {
			continue
		}
		if _, cared := w.cared[id]; cared {
			s.cared[id] = since
		} else {
			s.waiting[id] = since
		}
	}
	return s
}

// jitter spreads the looks of several processes: d give or take a quarter.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}
