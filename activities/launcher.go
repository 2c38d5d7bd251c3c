package activities

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice/internal/dispatch"
	"sluice/internal/store"
)

// launcher starts the executions of a dispatcher's run, so many at once. One dispatch after the other uses it. When a dispatch has
// more to start than may be under way, it returns as soon as no more than half of that still are: the cycle goes on to
// claim the next batch, and Temporal has starts to do in between. Starts are settled beside that, by statements of their own
// which nothing waits for; the next dispatch reports what has ended after its own. When another run has taken the shard over
// there is none: that run reads in Postgres what is claimed and not started, and starts it itself.
//
// A start whose answer does not tell whether the workflow exists is asked for again. Where others do get answers it stands aside
// for that: it comes after them, takes none of their places, and is not waited for. When such starts get answers, the next follow
// at once: what was in their way is gone.
type launcher struct {
	run    int64
	start  func(_ context.Context, _ dispatch.Execution, mine bool) (runID string, failed *store.FailedStart, err error)
	settle func(context.Context, []store.Started) error
	aside  func(context.Context, []store.Unanswered) // has starts without an answer stand aside
	doubt  func()                                    // what is claimed is to be read at once: a settle has failed, or what stands aside gets answers
	turn   chan struct{}                             // held by a dispatch
	landed chan struct{}                             // tells the dispatch that a start has ended
	flying *sync.WaitGroup

	mu        sync.Mutex
	underway  map[uuid.UUID]bool
	besides   int             // of these, so many stand aside
	crowded   bool            // there was no place for others that stand aside
	answered  time.Time       // when a start last got an answer
	strikes   int             // so many of this dispatch have got none since
	open      bool            // a dispatch is there, and there will be more to settle
	settling  []store.Started // what a statement is under way for; meanwhile others gather
	unsettled []store.Started
	batch     batch
}

// batch is what became of starts since the last dispatch reported.
type batch struct {
	started    int
	failed     []store.FailedStart
	unanswered []unanswered
	left       int // were not asked for, after others that got no answer; at the end also those others, unless they stand aside
	lastError  string
}

// unanswered is a start that got no answer.
type unanswered struct {
	store.Unanswered
	began time.Time
}

// waiting are those of the starts without an answer as they are to be noted.
func (b *batch) waiting() []store.Unanswered {
	all := make([]store.Unanswered, len(b.unanswered))
	for i, u := range b.unanswered {
		all[i] = u.Unanswered
	}
	return all
}

func newLauncher(
	run int64,
	start func(context.Context, dispatch.Execution, bool) (string, *store.FailedStart, error),
	settle func(context.Context, []store.Started) error,
	aside func(context.Context, []store.Unanswered),
	doubt func(),
	flying *sync.WaitGroup,
) *launcher {
	return &launcher{
		run: run, start: start, settle: settle, aside: aside, doubt: doubt, flying: flying,
		turn: make(chan struct{}, 1), landed: make(chan struct{}, 1), underway: map[uuid.UUID]bool{},
	}
}

func (l *launcher) acquire(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *launcher) release() { <-l.turn }

// begin opens a dispatch.
func (l *launcher) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open, l.strikes = true, 0
}

// end closes the dispatch and returns what became of its starts. What is not settled yet is settled by itself.
func (l *launcher) end(ctx context.Context) batch {
	l.mu.Lock()
	b := l.batch
	l.batch, l.open = batch{}, false
	for i := range b.unanswered {
		if u := &b.unanswered[i]; l.othersAnswered(u.began) {
			u.Aside = true
		} else {
			b.left++
		}
	}
	l.mu.Unlock()
	l.flying.Go(func() { l.settleAll(context.WithoutCancel(ctx)) })
	return b
}

// starting are the executions whose start is under way, or not on record yet: ask before the claims are read.
func (l *launcher) starting() map[uuid.UUID]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := maps.Clone(l.underway)
	for _, started := range [][]store.Started{l.unsettled, l.settling} {
		for _, s := range started {
			all[s.ExecutionID] = true
		}
	}
	return all
}

// pending is how much a dispatch would find of what the last one left behind.
func (l *launcher) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.underway) - l.besides + len(l.batch.failed) + len(l.batch.unanswered) + l.batch.left
}

// answersLast is for how long an answer tells that Temporal answers.
const answersLast = startTimeout

// othersAnswered tells whether other starts have got answers since about a time.
func (l *launcher) othersAnswered(since time.Time) bool {
	return l.answered.After(since.Add(-answersLast))
}

// launch starts those of the claims that were not being started already; the first, and then one of share, are this
// process's own. After some in a row that got no answer nothing more is started: the client has tried for startTimeout by
// then, so Temporal is away or has too much to do. Those that got none before come last.
func (l *launcher) launch(ctx context.Context, executions []dispatch.Execution, starting map[uuid.UUID]bool, atOnce, share int) error {
	launched := 0
	for _, x := range executions {
		if starting[x.ID] || x.Aside && !l.besidesFree() { // such come last, so there are others for whom there is no place
			continue
		}
		if err := l.wait(ctx, atOnce-1); err != nil {
			return err
		}
		if l.leave(min(atOnce, mostStrikes), x.Aside) {
			continue
		}
		l.fly(ctx, x, launched%share == 0)
		if !x.Aside {
			launched++
		}
	}
	last := 0
	if launched > atOnce {
		last = atOnce / 2
	}
	return l.wait(ctx, last)
}

// wait returns when at most so many starts are under way.
func (l *launcher) wait(ctx context.Context, most int) error {
	for {
		l.mu.Lock()
		n := len(l.underway) - l.besides
		l.mu.Unlock()
		if n <= most {
			return nil
		}
		select {
		case <-l.landed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const (
	// mostStrikes is how many starts in a row may get no answer before nothing more is started. Single ones may be to blame
	// themselves.
	mostStrikes = 8
	// mostBesides is how many may be under way at once that stand aside.
	mostBesides = 4
)

// leave leaves a claim to a later dispatch, if so many in a row have got no answer.
func (l *launcher) leave(strikes int, aside bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.strikes < strikes {
		return false
	}
	if !aside { // the others are due again by themselves
		l.batch.left++
	}
	return true
}

func (l *launcher) besidesFree() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crowded = l.besides >= mostBesides
	return !l.crowded
}

// settleTimeout limits a settle that nothing waits for; what it does not settle, a later dispatch finds started.
const settleTimeout = 5 * time.Second

// fly starts one execution in the background. It outlives the dispatch, for startTimeout and settleTimeout at most.
func (l *launcher) fly(ctx context.Context, x dispatch.Execution, mine bool) {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	l.underway[x.ID] = true
	if x.Aside {
		l.besides++
	}
	// It may have failed after the dispatch before, and been read again by this one: what counts is what becomes of it now.
	l.batch.failed = slices.DeleteFunc(l.batch.failed, func(f store.FailedStart) bool { return f.ExecutionID == x.ID })
	l.batch.unanswered = slices.DeleteFunc(l.batch.unanswered, func(u unanswered) bool { return u.ExecutionID == x.ID })
	l.mu.Unlock()
	l.flying.Go(func() {
		began := time.Now()
		runID, failed, err := l.startSafely(ctx, x, mine)
		if why := l.land(x, began, runID, failed, err); why != nil {
			l.aside(ctx, []store.Unanswered{*why})
		}
		select {
		case l.landed <- struct{}{}:
		default:
		}
		l.settleAll(ctx)
		if x.Aside && err == nil && l.nextAside() {
			l.doubt()
		}
	})
}

// nextAside tells, once, whether those that had no place beside the others may have one now.
func (l *launcher) nextAside() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.crowded && l.besides == 0
	l.crowded = l.crowded && !next
	return next
}

// startSafely has a start that panics fail: it must not take the process with it, and all that it has in hand.
func (l *launcher) startSafely(ctx context.Context, x dispatch.Execution, mine bool) (runID string, failed *store.FailedStart, err error) {
	defer func() {
		if r := recover(); r != nil {
			runID, failed, err = "", &store.FailedStart{Reason: reasonStartFailed, Error: fmt.Sprintf("panic: %v", r)}, nil
		}
	}()
	return l.start(ctx, x, mine)
}

// land notes what became of one start. What nothing waits for, and has got no answer, it returns to stand aside again.
func (l *launcher) land(x dispatch.Execution, began time.Time, runID string, failed *store.FailedStart, err error) *store.Unanswered {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.underway, x.ID)
	if x.Aside {
		l.besides--
	}
	b := &l.batch
	if failed == nil && err != nil {
		if !x.Aside {
			l.strikes++
		}
		u := unanswered{store.Unanswered{ExecutionID: x.ID, Error: err.Error()}, began}
		if x.Aside && !l.open {
			u.Aside = l.othersAnswered(began)
			return &u.Unanswered
		}
		b.unanswered, b.lastError = append(b.unanswered, u), err.Error()
		return nil
	}
	l.strikes, l.answered = 0, time.Now()
	if failed != nil {
		failed.ExecutionID = x.ID
		b.failed = append(b.failed, *failed)
		return nil
	}
	b.started++
	l.unsettled = append(l.unsettled, store.Started{ExecutionID: x.ID, RunID: runID})
	return nil
}

// settleEvery is how many starts of a dispatch are settled by one statement at least, but for the last ones. What is
// settled is not done again when the worker dies in the middle of a batch.
const settleEvery = 32

// settleAll settles what has been started, unless another call is at it, or there will be more soon.
func (l *launcher) settleAll(ctx context.Context) {
	for chunk := l.toSettle(); len(chunk) > 0; chunk = l.toSettle() {
		settling, cancel := context.WithTimeout(ctx, settleTimeout)
		err := l.settle(settling, chunk)
		cancel()
		l.mu.Lock()
		l.settling = nil
		l.mu.Unlock()
		if err != nil {
			l.doubt()
		}
	}
}

// toSettle returns what is to be settled now, and notes that it is being done.
func (l *launcher) toSettle() (chunk []store.Started) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.settling) > 0 || l.open && len(l.unsettled) < settleEvery {
		return nil
	}
	chunk, l.unsettled = l.unsettled, nil
	l.settling = chunk
	return chunk
}
