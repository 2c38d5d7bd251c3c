package activities

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice/queue"
)

// launcher starts the executions of a dispatcher's run, so many at once. One dispatch after the other uses it. When a dispatch has
// more to start than may be under way, it returns as soon as fewer than half of that still are: the cycle goes on to
// claim the next batch, and Temporal has starts to do in between. Starts that end after their dispatch has are settled by
// themselves, and the next dispatch reports them.
type launcher struct {
	start  func(_ context.Context, _ queue.Claim, mine bool) (runID string, failed *queue.FailedStart, err error)
	settle func(context.Context, []queue.Started) error
	turn   chan struct{} // held by a dispatch
	landed chan struct{} // tells the dispatch that a start has ended
	flying *sync.WaitGroup

	mu       sync.Mutex
	underway map[uuid.UUID]bool
	open     bool // a dispatch is there to settle
	settling bool // somebody is; meanwhile the others gather
	fence    queue.Fence
	batch    batch
}

// batch is what became of starts since the last dispatch reported.
type batch struct {
	started   int
	unsettled []queue.Started
	settleErr error
	failed    []queue.FailedStart
	left      int // got no answer, or were not asked for after one that got none
	lastError string
}

func newLauncher(
	start func(context.Context, queue.Claim, bool) (string, *queue.FailedStart, error),
	settle func(context.Context, []queue.Started) error,
	flying *sync.WaitGroup,
) *launcher {
	return &launcher{
		start: start, settle: settle, flying: flying,
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

// begin opens a dispatch. Failures that came after the last one count only if no other process has dispatched in
// between: it may have started what failed here. If there were such, they are forgotten, and it returns false.
func (l *launcher) begin(fence queue.Fence) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	forgotten := fence.Dispatch != l.fence.Dispatch+1 && len(l.batch.failed) > 0
	if forgotten {
		l.batch.failed = nil
	}
	l.fence, l.open = fence, true
	return !forgotten
}

// end closes the dispatch and returns what became of its starts.
func (l *launcher) end() batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.batch
	l.batch, l.open = batch{}, false
	return b
}

// starting are the executions whose start is under way: ask before the claims are read.
func (l *launcher) starting() map[uuid.UUID]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.underway)
}

// pending is how much a dispatch would find of what the last one left behind.
func (l *launcher) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.underway) + len(l.batch.failed) + len(l.batch.unsettled) + l.batch.left
}

// launch starts those of the claims that were not being started already; the first, and then one of share, are this
// process's own. After the first that got no answer nothing more is started: the client has tried for startTimeout by
// then, so Temporal is away or has too much to do.
func (l *launcher) launch(ctx context.Context, claims []queue.Claim, starting map[uuid.UUID]bool, atOnce, share int) error {
	launched := 0
	for _, c := range claims {
		if starting[c.ExecutionID] {
			continue
		}
		if err := l.wait(ctx, atOnce-1); err != nil {
			return err
		}
		if l.leave() {
			continue
		}
		l.fly(ctx, c, launched%share == 0)
		launched++
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
		n := len(l.underway)
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

// leave leaves a claim to a later dispatch, if others have been left already.
func (l *launcher) leave() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.batch.left == 0 {
		return false
	}
	l.batch.left++
	return true
}

// settleTimeout bounds a settle that nobody waits for; what it does not settle, a later dispatch finds started.
const settleTimeout = 5 * time.Second

// fly starts one execution in the background. It outlives the dispatch, for startTimeout and settleTimeout at most.
func (l *launcher) fly(ctx context.Context, c queue.Claim, mine bool) {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	l.underway[c.ExecutionID] = true
	l.mu.Unlock()
	l.flying.Go(func() {
		runID, failed, err := l.start(ctx, c, mine)
		l.land(c, runID, failed, err)
		for chunk := l.toSettle(); len(chunk) > 0; chunk = l.toSettle() {
			settling, cancel := context.WithTimeout(ctx, settleTimeout)
			l.settled(l.settle(settling, chunk))
			cancel()
		}
		l.mu.Lock()
		delete(l.underway, c.ExecutionID)
		l.mu.Unlock()
		select {
		case l.landed <- struct{}{}:
		default:
		}
	})
}

// settleEvery is how many starts of a dispatch are settled by one statement at least, but for the last ones. What is
// settled is not done again when the worker dies in the middle of a batch.
const settleEvery = 32

// land notes what became of one start.
func (l *launcher) land(c queue.Claim, runID string, failed *queue.FailedStart, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &l.batch
	switch {
	case failed != nil:
		failed.ExecutionID = c.ExecutionID
		b.failed = append(b.failed, *failed)
	case err != nil:
		b.left++
		b.lastError = err.Error()
	default:
		b.started++
		b.unsettled = append(b.unsettled, queue.Started{ExecutionID: c.ExecutionID, RunID: runID})
	}
}

// toSettle returns all unsettled starts, if nobody is settling and they are enough, or no dispatch is there to settle
// them; then settled has to follow.
func (l *launcher) toSettle() (chunk []queue.Started) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settling || l.open && len(l.batch.unsettled) < settleEvery {
		return nil
	}
	chunk, l.batch.unsettled = l.batch.unsettled, nil
	l.settling = len(chunk) > 0
	return chunk
}

func (l *launcher) settled(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settling = false
	l.batch.settleErr = errors.Join(l.batch.settleErr, err)
}
