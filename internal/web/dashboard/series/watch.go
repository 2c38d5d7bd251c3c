package series

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/store/figures"
)

const (
	// least is the time from one sample to the next, unless [Watch.Every] sets another.
	least = 2 * time.Second
	// rests is how many times as long as a sample took nothing is asked after it.
	rests = 40
	// glance is how old what somebody looks at who needs little of it may be.
	glance = 15 * time.Second
	// gap is for how long nobody may have looked before what happened meanwhile is read anew.
	gap = 30 * time.Second
	// sampleTimeout ends a sample that hangs, pastTimeout the reading of what happened before.
	sampleTimeout = 20 * time.Second
	pastTimeout   = 3 * time.Second
	// mostPast is of how many executions the past is read at most.
	mostPast = 60_000
)

// Watch takes samples for all who look. It runs nothing of its own.
type Watch struct {
	pool  *pgxpool.Pool
	ask   func(ctx context.Context) []Dispatcher
	least time.Duration

	turn    chan struct{} // held by who takes a sample
	current chan *taken   // what was taken last; always one in it
	changed atomic.Int64
	history *history
	mark    figures.Mark
	planOf  map[uuid.UUID]string
}

// taken is a snapshot, nil before the first, with when it was taken by this process' clock.
type taken struct {
	snapshot *Snapshot
	at       time.Time
	fresh    time.Duration // for how long it counts as new
}

// New returns a watch on a database; ask tells how the dispatchers are.
func New(pool *pgxpool.Pool, ask func(ctx context.Context) []Dispatcher) *Watch {
	w := &Watch{pool: pool, ask: ask, least: least, turn: make(chan struct{}, 1), current: make(chan *taken, 1), history: newHistory()}
	w.current <- &taken{}
	return w
}

// Every sets the time from one sample to the next, before the first.
func (w *Watch) Every(d time.Duration) *Watch {
	w.least = d
	return w
}

func (w *Watch) last() *taken {
	t := <-w.current
	w.current <- t
	return t
}

// Changed says that something has just been changed from here: the next to look sees it.
func (w *Watch) Changed() { w.changed.Store(time.Now().UnixNano()) }

// Look returns how everything is: at most 2 s ago, or while samples take long 40 times as long as one. An error means that the
// database does not answer.
func (w *Watch) Look(ctx context.Context) (*Snapshot, error) { return w.look(ctx, 0) }

// Glance is Look for one who needs little of it, names and who is paused: it may be up to 15 s old.
func (w *Watch) Glance(ctx context.Context) (*Snapshot, error) { return w.look(ctx, glance) }

func (w *Watch) look(ctx context.Context, old time.Duration) (*Snapshot, error) {
	new := func(t *taken) bool {
		return t.snapshot != nil && time.Since(t.at) < max(t.fresh, old) && t.at.UnixNano() > w.changed.Load()
	}
	if t := w.last(); new(t) {
		return t.snapshot, nil
	}
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-w.turn }()
	if t := w.last(); new(t) { // somebody else has taken it meanwhile
		return t.snapshot, nil
	}
	began := time.Now()
	// Others wait for it: it is not broken off because this one has gone.
	sampled, cancel := context.WithTimeout(context.WithoutCancel(ctx), sampleTimeout)
	defer cancel()
	s, err := w.sample(sampled)
	if err != nil {
		return nil, err
	}
	s.taken = began
	<-w.current
	w.current <- &taken{s, began, max(w.least, rests*s.Took)}
	return s, nil
}
