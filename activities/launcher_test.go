package activities

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/dispatch"
	"sluice/internal/store"
)

// runway is a Temporal whose starts end when the test says so, and a Postgres that settles them.
type runway struct {
	mu       sync.Mutex
	waiting  map[uuid.UUID]chan error
	most     int // under way at once
	settled  map[uuid.UUID]int
	doubts   int
	aside    []store.Unanswered
	settling func() error // what a settle waits for; nil: nothing
}

func newRunway() *runway {
	return &runway{waiting: map[uuid.UUID]chan error{}, settled: map[uuid.UUID]int{}}
}

func (r *runway) launcher() *launcher {
	return newLauncher(1, r.start, r.settle, r.setAside, r.doubt, &sync.WaitGroup{})
}

var errRefusedStart = errors.New("refused")

func (r *runway) start(_ context.Context, x dispatch.Execution, _ bool) (string, *store.FailedStart, error) {
	end := make(chan error)
	r.mu.Lock()
	r.waiting[x.ID] = end
	r.most = max(r.most, len(r.waiting))
	r.mu.Unlock()
	err := <-end
	if errors.Is(err, errRefusedStart) {
		return "", &store.FailedStart{Reason: "start-failed"}, nil
	}
	return "run", nil, err
}

func (r *runway) peak() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

func (r *runway) settle(_ context.Context, started []store.Started) error {
	if r.settling != nil {
		if err := r.settling(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range started {
		r.settled[s.ExecutionID]++
	}
	return nil
}

// settledBut is what was settled, and how often, if these should have been once.
func (r *runway) settledBut(once []dispatch.Execution) map[uuid.UUID]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := maps.Clone(r.settled)
	for _, x := range once {
		if rest[x.ID]--; rest[x.ID] == 0 {
			delete(rest, x.ID)
		}
	}
	return rest
}

func (r *runway) setAside(_ context.Context, unanswered []store.Unanswered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aside = append(r.aside, unanswered...)
}

func (r *runway) doubt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubts++
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
		}, 30*time.Second, time.Millisecond)
	}
}

// endOne ends one of these, as soon as it is under way.
func (r *runway) endOne(t *testing.T, these map[uuid.UUID]bool, err error) {
	t.Helper()
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for id, end := range r.waiting {
			if these[id] {
				delete(r.waiting, id)
				end <- err
				return true
			}
		}
		return false
	}, 30*time.Second, time.Millisecond)
}

// endNot ends one that is none of these.
func (r *runway) endNot(t *testing.T, these []dispatch.Execution, err error) {
	t.Helper()
	others := map[uuid.UUID]bool{}
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for id := range r.waiting {
			others[id] = !slices.ContainsFunc(these, func(x dispatch.Execution) bool { return x.ID == id })
			if others[id] {
				return true
			}
		}
		return false
	}, 30*time.Second, time.Millisecond)
	r.endOne(t, others, err)
}

// dispatch has a launcher start these, and returns what it reports.
func dispatchWith(t *testing.T, l *launcher, list []dispatch.Execution, starting map[uuid.UUID]bool) chan batch {
	returned := make(chan batch, 1)
	l.begin()
	go func() {
		if l.launch(context.Background(), list, starting, 4, 1) == nil {
			returned <- l.end(context.Background())
		}
	}()
	return returned
}

func TestALargeBatchReturnsWhileItsLastStartsAreUnderWay(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := r.launcher()
	list := executions(20)
	first := dispatchWith(t, l, list, nil)
	r.end(t, 18, nil)
	require.Equal(t, 18, (<-first).started, "two of four are still under way")
	require.LessOrEqual(t, r.peak(), 4)
	require.Eventually(t, func() bool { return len(l.starting()) == 2 }, 30*time.Second, time.Millisecond, "the others are on record")
	require.Equal(t, 2, l.pending(), "a dispatch would find them")

	// One ends in between: it is settled by itself. The next dispatch does not start what is under way.
	r.end(t, 1, nil)
	require.Eventually(t, func() bool { return len(l.starting()) == 1 }, 30*time.Second, time.Millisecond)
	second := dispatchWith(t, l, list[:3], map[uuid.UUID]bool{list[0].ID: true, list[1].ID: true, list[2].ID: true})
	r.end(t, 1, nil)
	require.Equal(t, 2, (<-second).started, "the next dispatch reports both, and waits for the end when it has little to do")
	require.Zero(t, l.pending())
	l.flying.Wait()
	require.Empty(t, l.starting())
	require.Empty(t, r.settledBut(list))
}

// The cycle goes on to claim while Postgres settles: the claim may well wait for the same disk.
func TestADispatchDoesNotWaitUntilItsStartsAreSettled(t *testing.T) {
	t.Parallel()
	r := newRunway()
	slow := make(chan struct{})
	r.settling = func() error { <-slow; return nil }
	l := r.launcher()
	list := executions(3)
	done := dispatchWith(t, l, list, nil)
	r.end(t, 3, nil)
	require.Equal(t, 3, (<-done).started)
	require.Zero(t, l.pending(), "they are not for another dispatch")
	require.Len(t, r.settledBut(nil), 0)
	require.Len(t, l.starting(), 3, "the next dispatch, which reads them as not started, leaves them alone")
	close(slow)
	l.flying.Wait()
	require.Empty(t, l.starting())
	require.Empty(t, r.settledBut(list))
}

func TestStartsOfALargeBatchAreSettledBeforeItsEnd(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := r.launcher()
	list := executions(settleEvery + 10) // so there are some to start yet
	done := dispatchWith(t, l, list, nil)
	r.end(t, settleEvery-1, nil)
	require.Empty(t, r.settledBut(nil), "not each by itself")
	r.end(t, 1, nil)
	require.Eventually(t, func() bool { return len(r.settledBut(nil)) == settleEvery }, 30*time.Second, time.Millisecond)
	r.end(t, 10, nil)
	<-done
	l.flying.Wait()
	require.Empty(t, r.settledBut(list))
}

func TestASettleThatFailsLeavesItsClaimsInDoubt(t *testing.T) {
	t.Parallel()
	r := newRunway()
	r.settling = func() error { return errors.New("connection lost") }
	l := r.launcher()
	done := dispatchWith(t, l, executions(2), nil)
	r.end(t, 2, nil)
	require.Equal(t, 2, (<-done).started)
	l.flying.Wait()
	require.Equal(t, 1, r.doubts, "the next dispatch reads what there is")
}

func TestALateFailureIsReportedByTheNextDispatch(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := r.launcher()
	x := execution()
	l.begin()
	l.fly(t.Context(), x, false)
	require.Empty(t, l.end(t.Context()).failed)
	r.end(t, 1, errRefusedStart)
	l.flying.Wait()
	require.Equal(t, 1, l.pending(), "there is something to dispatch")
	l.begin()
	require.Equal(t, []store.FailedStart{{ExecutionID: x.ID, Reason: "start-failed"}}, l.end(t.Context()).failed)
	require.Zero(t, l.pending())
	require.Zero(t, r.doubts)
}

// The next dispatch has read it from Postgres, where it was claimed still. Its start by then must not be undone.
func TestWhatIsStartedAgainIsNoFailure(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := r.launcher()
	list := executions(2)
	l.fly(t.Context(), list[0], false)
	l.fly(t.Context(), list[1], false)
	r.end(t, 2, errRefusedStart)
	l.flying.Wait()
	done := dispatchWith(t, l, list[:1], l.starting())
	r.end(t, 1, nil)
	b := <-done
	require.Equal(t, 1, b.started)
	require.Len(t, b.failed, 1)
	require.Equal(t, list[1].ID, b.failed[0].ExecutionID)
	l.flying.Wait()
	require.Empty(t, r.settledBut(list[:1]))
}

func TestALateStartWithoutAnAnswerIsReportedByTheNextDispatch(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := r.launcher()
	l.begin()
	l.fly(t.Context(), execution(), false)
	l.end(t.Context())
	r.end(t, 1, context.DeadlineExceeded)
	l.flying.Wait()
	require.Equal(t, 1, l.pending())
	l.begin()
	b := l.end(t.Context())
	require.Equal(t, 1, b.left)
	require.Len(t, b.unanswered, 1)
	require.False(t, b.unanswered[0].Aside, "no other start has got an answer")
	require.Zero(t, l.pending())
}

func TestADispatchStopsWhenNoStartGetsAnAnswer(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := r.launcher()
	done := dispatchWith(t, l, executions(20), nil) // four at once
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for id, end := range r.waiting {
			delete(r.waiting, id)
			end <- context.DeadlineExceeded
		}
		return len(done) > 0
	}, 30*time.Second, time.Millisecond)
	b := <-done
	require.GreaterOrEqual(t, b.left, 18, "two may be under way still")
	require.LessOrEqual(t, len(b.unanswered), 7, "four, and those that were begun before these had ended")
}

// What has got no answer, where others have, stands aside: it takes no place, and nothing waits for it.
func TestStartsThatStandAsideTakeNoPlaceOfOthers(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := r.launcher()
	list := executions(10)
	others := map[uuid.UUID]bool{}
	for i := range list {
		others[list[i].ID] = i < 4
		list[i].Aside = i >= 4 // as they come from Postgres: last
	}
	done := dispatchWith(t, l, list, nil)
	for range 4 {
		r.endOne(t, others, nil)
	}
	b := <-done
	require.Equal(t, 4, b.started)
	require.Zero(t, b.left)
	require.Zero(t, l.pending(), "a dispatch would find nothing to wait for")
	require.Eventually(t, func() bool { return len(l.starting()) == mostBesides }, 30*time.Second, time.Millisecond, "and the others are due another time")

	again := dispatchWith(t, l, executions(4), nil) // the four places are all theirs
	for range 4 {
		require.Eventually(t, func() bool { return r.peak() >= mostBesides }, 30*time.Second, time.Millisecond)
		r.endNot(t, list, nil)
	}
	require.Equal(t, 4, (<-again).started)
	r.end(t, mostBesides, errors.New("no sense"))
	l.flying.Wait()
	require.Len(t, r.aside, mostBesides, "they are noted without a dispatch")
	for _, u := range r.aside {
		require.True(t, u.Aside)
		require.Equal(t, "no sense", u.Error)
	}
	require.Zero(t, l.pending())
}

// There are places for few of them, so the others follow as soon as these get answers.
func TestStartsThatStandAsideFollowEachOtherOnceTheyGetAnswers(t *testing.T) {
	t.Parallel()
	r := newRunway()
	l := r.launcher()
	list := executions(mostBesides + 1)
	for i := range list {
		list[i].Aside = true
	}
	<-dispatchWith(t, l, list, nil)
	r.end(t, mostBesides, errors.New("no sense"))
	l.flying.Wait()
	require.Zero(t, r.doubts, "nothing has changed")

	<-dispatchWith(t, l, list, nil)
	r.end(t, mostBesides, nil)
	l.flying.Wait()
	require.Equal(t, 1, r.doubts, "the next dispatch comes at once")

	<-dispatchWith(t, l, list[mostBesides:], nil)
	r.end(t, 1, nil)
	l.flying.Wait()
	require.Equal(t, 1, r.doubts, "there are no others")
}

func TestAStartThatPanicsFailsAlone(t *testing.T) {
	t.Parallel()
	r := newRunway()
	bad := execution()
	l := newLauncher(1, func(ctx context.Context, x dispatch.Execution, mine bool) (string, *store.FailedStart, error) {
		if x.ID == bad.ID {
			panic("what is this")
		}
		return "run", nil, nil
	}, r.settle, r.setAside, r.doubt, &sync.WaitGroup{})
	b := <-dispatchWith(t, l, append(executions(3), bad), nil)
	require.Equal(t, 3, b.started)
	require.Equal(t, []store.FailedStart{{ExecutionID: bad.ID, Reason: reasonStartFailed, Error: "panic: what is this"}}, b.failed)
	l.flying.Wait()
}

// A database that does not answer must not keep a worker from stopping.
func TestASettleGivesUpOnASilentDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRunway()
		start := func(context.Context, dispatch.Execution, bool) (string, *store.FailedStart, error) {
			return "run", nil, nil
		}
		silent := func(ctx context.Context, _ []store.Started) error {
			<-ctx.Done()
			return ctx.Err()
		}
		l := newLauncher(1, start, silent, r.setAside, r.doubt, &sync.WaitGroup{})
		l.fly(t.Context(), execution(), false) // no dispatch is there to settle it
		began := time.Now()
		l.flying.Wait()
		require.Equal(t, settleTimeout, time.Since(began))
		require.Empty(t, l.starting())
		require.Equal(t, 1, r.doubts)
	})
}
