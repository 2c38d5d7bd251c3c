package activities

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// runway is a Temporal whose starts end when the test says so.
type runway struct {
	mu      sync.Mutex
	waiting map[uuid.UUID]chan error
	most    int // under way at once
	settled map[uuid.UUID]int
}

func newRunway() *runway {
	return &runway{waiting: map[uuid.UUID]chan error{}, settled: map[uuid.UUID]int{}}
}

var errRefusedStart = errors.New("refused")

func (r *runway) start(_ context.Context, c queue.Claim, _ bool) (string, *queue.FailedStart, error) {
	end := make(chan error)
	r.mu.Lock()
	r.waiting[c.ExecutionID] = end
	r.most = max(r.most, len(r.waiting))
	r.mu.Unlock()
	err := <-end
	if errors.Is(err, errRefusedStart) {
		return "", &queue.FailedStart{Reason: "start-failed"}, nil
	}
	return "run", nil, err
}

func (r *runway) peak() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

func (r *runway) settle(_ context.Context, started []queue.Started) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range started {
		r.settled[s.ExecutionID]++
	}
	return nil
}

// end ends so many of the starts under way, as soon as they are.
func (r *runway) end(t *testing.T, n int, err error) {
	t.Helper()
	for range n {
		require.Eventually(t, func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			for id, end := range r.waiting {
				delete(r.waiting, id)
				end <- err
				return true
			}
			return false
		}, 10*time.Second, time.Millisecond)
	}
}

func dispatchNumber(n int64) queue.Fence { return queue.Fence{Epoch: 7, Dispatch: n} }

func TestALargeBatchReturnsWhileItsLastStartsAreUnderWay(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := newLauncher(r.start, r.settle, &sync.WaitGroup{})
	list := claims(20)
	dispatch := func(n int64, list []queue.Claim, starting map[uuid.UUID]bool) chan batch {
		returned := make(chan batch, 1)
		l.begin(dispatchNumber(n))
		go func() {
			if l.launch(context.Background(), list, starting, 4, 1) == nil {
				b := l.end()
				_ = r.settle(context.Background(), b.unsettled)
				returned <- b
			}
		}()
		return returned
	}
	first := dispatch(1, list, nil)
	r.end(t, 18, nil)
	b := <-first
	require.Equal(t, 18, b.started, "two of four are still under way")
	require.LessOrEqual(t, r.peak(), 4)
	require.Len(t, l.starting(), 2)

	// One ends in between: it is settled by itself. The other two dispatches do not start what is under way.
	r.end(t, 1, nil)
	require.Eventually(t, func() bool { return len(l.starting()) == 1 }, 10*time.Second, time.Millisecond)
	second := dispatch(2, list[:3], map[uuid.UUID]bool{list[0].ExecutionID: true, list[1].ExecutionID: true, list[2].ExecutionID: true})
	r.end(t, 1, nil)
	require.Equal(t, 2, (<-second).started, "the next dispatch reports both, and waits for the end when it has little to do")
	require.Empty(t, l.starting())
	for _, c := range list {
		require.Equal(t, 1, r.settled[c.ExecutionID])
	}
}

func TestALateFailureCountsForTheNextDispatchOnly(t *testing.T) {
	t.Parallel()
	for next, want := range map[int64]int{2: 1, 3: 0} { // dispatch 2 was another process's: it may have started what failed here
		r := newRunway()
		l := newLauncher(r.start, r.settle, &sync.WaitGroup{})
		l.begin(dispatchNumber(1))
		l.fly(t.Context(), claim(), false)
		require.Empty(t, l.end().failed)
		r.end(t, 1, errRefusedStart)
		l.flying.Wait()
		l.begin(dispatchNumber(next))
		require.Len(t, l.end().failed, want)
	}
}

func TestALateStartWithoutAnAnswerStopsTheNextDispatch(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := newLauncher(r.start, r.settle, &sync.WaitGroup{})
	l.begin(dispatchNumber(1))
	l.fly(t.Context(), claim(), false)
	l.end()
	r.end(t, 1, context.DeadlineExceeded)
	l.flying.Wait()
	l.begin(dispatchNumber(2))
	require.NoError(t, l.launch(t.Context(), claims(5), nil, 4, 1))
	require.Equal(t, 6, l.end().left)
	require.Equal(t, 1, r.most)
}

// A database that does not answer must not keep a worker from stopping, nor the next dispatch from settling.
func TestALateSettleGivesUpOnASilentDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := func(context.Context, queue.Claim, bool) (string, *queue.FailedStart, error) { return "run", nil, nil }
		silent := func(ctx context.Context, _ []queue.Started) error {
			<-ctx.Done()
			return ctx.Err()
		}
		l := newLauncher(start, silent, &sync.WaitGroup{})
		l.fly(t.Context(), claim(), false) // no dispatch is there to settle it
		began := time.Now()
		l.flying.Wait()
		require.Equal(t, settleTimeout, time.Since(began))
		require.Empty(t, l.starting())
		l.begin(dispatchNumber(1))
		require.ErrorIs(t, l.end().settleErr, context.DeadlineExceeded)
	})
}
