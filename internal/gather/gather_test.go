package gather

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fixture is a Gatherer whose statements take their time and do nothing else. It checks what has to hold of each.
type fixture struct {
	Gatherer[request, int]
	t       *testing.T
	lasts   func() time.Duration // how long the next statement takes
	callers sync.WaitGroup

	mu          sync.Mutex  // guards what follows
	statements  [][]int     // the requests of each, in the order in which they began
	now, shared int         // statements under way, and how many of them are shared
	done        map[int]int // how often each request was carried out
}

type request struct {
	caller    context.Context
	id, bytes int
}

// waits tells whether the caller had not given up before now.
func (r request) waits() bool {
	until, ends := r.caller.Deadline()
	return !ends || !time.Now().After(until)
}

func setup(t *testing.T, room int, lasts func() time.Duration) *fixture {
	f := &fixture{t: t, lasts: lasts, done: map[int]int{}}
	f.Gatherer = Gatherer[request, int]{Doing: "test", Room: room, Patience: time.Hour,
		Size:  func(r request) int { return r.bytes },
		Alone: func(ctx context.Context, r request) (int, error) { return -r.id, f.statement(ctx, r) },
		Together: func(ctx context.Context, calls []*Call[request, int]) {
			var requests []request
			for _, c := range calls {
				requests = append(requests, c.Request)
			}
			err := f.statement(ctx, requests...)
			for _, c := range calls {
				c.Reply(-c.Request.id, err)
			}
		},
	}
	return f
}

func (f *fixture) statement(ctx context.Context, requests ...request) error {
	var ids []int
	for _, r := range requests {
		ids = append(ids, r.id)
		assert.True(f.t, r.waits(), "a call that has left is left out")
	}
	f.mu.Lock()
	f.statements = append(f.statements, ids)
	f.count(1, len(ids))
	f.mu.Unlock()
	select {
	case <-time.After(f.lasts()):
		assert.True(f.t, slices.ContainsFunc(requests, request.waits), "a statement that no caller waits for any more ends")
	case <-ctx.Done():
		for _, r := range requests {
			assert.Error(f.t, r.caller.Err(), "a statement that a caller waits for goes on")
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count(-1, len(ids))
	for _, id := range ids {
		if ctx.Err() == nil {
			f.done[id]++
		}
	}
	return ctx.Err()
}

func (f *fixture) count(by, requests int) {
	f.now += by
	if requests > 1 {
		f.shared += by
		assert.LessOrEqual(f.t, f.now, f.Room)
	}
	assert.LessOrEqual(f.t, f.shared, 1)
}

// call makes a request, and returns when all has happened that can happen at this moment.
func (f *fixture) call(ctx context.Context, id, bytes int, then func(answer int, err error)) {
	f.callers.Go(func() { then(f.Do(ctx, request{ctx, id, bytes})) })
	synctest.Wait()
}

// Callers come and give up at random, beside statements that take longer than some of them wait.
func TestEachCallIsAnsweredOnceOrGivesUp(t *testing.T) {
	t.Parallel()
	const callers = 1000
	upTo := func(d time.Duration) time.Duration { return 1 + rand.N(d) }
	for _, room := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			f := setup(t, room, func() time.Duration { return upTo(5 * time.Millisecond) })
			for id := range callers {
				time.Sleep(upTo(5 * time.Millisecond >> rand.N(6)))
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if rand.N(8) > 0 {
					ctx, cancel = context.WithTimeout(ctx, upTo(8*time.Millisecond))
				}
				f.call(ctx, id, 1, func(answer int, err error) {
					defer cancel()
					if err == nil {
						f.mu.Lock()
						defer f.mu.Unlock()
						assert.Equal(t, -id, answer, "to each call its own answer")
						assert.Equal(t, 1, f.done[id], "what is answered is done, once")
						return
					}
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					assert.True(t, request{caller: ctx}.waits(), "a call that gives up returns at once")
				})
				f.Gatherer.mu.Lock()
				assert.True(t, len(f.waiting) == 0 || f.sharing || f.underWay == room, "a call waits only when there is no room")
				f.Gatherer.mu.Unlock()
			}
			f.callers.Wait()
			synctest.Wait()
			require.Zero(t, f.Waiting()+f.underWay, "nothing is left running")
			require.Less(t, len(f.statements), callers*4/5, "calls share")
		})
	}
}

func TestBatchesAreBoundedAndKeepTheOrderOfCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, 1, func() time.Duration { return time.Minute })
		for id, bytes := range append(make([]int, 1+2*maxCalls), 3<<20, 2<<20, 5<<20, 2<<20, 2<<20, 1) {
			f.call(t.Context(), id, bytes, func(_ int, err error) { assert.NoError(t, err) })
		}
		f.callers.Wait()
		var lengths []int
		for _, ids := range f.statements {
			lengths = append(lengths, len(ids))
		}
		require.Equal(t, []int{1, 256, 256, 1, 1, 1, 2, 1}, lengths)
		require.IsIncreasing(t, slices.Concat(f.statements...))
	})
}

func TestAStatementThatHangsHoldsUpOthersOnlyBriefly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lasts := make(chan time.Duration, 7)
		lasts <- time.Minute
		lasts <- 10 * time.Hour // a shared statement that hangs
		f := setup(t, 1, func() time.Duration { return <-lasts })
		f.call(t.Context(), 1, 0, func(int, error) {})
		f.call(t.Context(), 2, 0, func(int, error) {})
		time.Sleep(2 * time.Minute)
		close(lasts) // the others take no time
		began := time.Now()
		for id := range 5 {
			f.call(t.Context(), 3+id, 0, func(_ int, err error) {
				assert.NoError(t, err)
				assert.LessOrEqual(t, time.Since(began), 2*f.Patience)
			})
		}
		f.callers.Wait()
		require.Len(t, f.statements, 7)
	})
}

// Many may wait for long, as long as statements begin.
func TestCallsBehindManyOthersKeepWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, 1, func() time.Duration { return 40 * time.Minute })
		for id := range 1 + 4*maxCalls {
			f.call(t.Context(), id, 0, func(_ int, err error) { assert.NoError(t, err) })
		}
		f.callers.Wait()
		require.Len(t, f.statements, 5)
	})
}

func TestCallsThatASharedStatementDoesNotAnswerGoOnAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, 1, func() time.Duration { return time.Minute })
		f.Together = func(_ context.Context, calls []*Call[request, int]) {
			for _, c := range calls {
				if c.Request.id%2 == 1 {
					c.Reply(c.Request.id, nil)
				}
			}
		}
		answers := map[int]int{}
		for id := range 5 {
			f.call(t.Context(), id, 0, func(answer int, err error) {
				assert.NoError(t, err)
				f.mu.Lock()
				defer f.mu.Unlock()
				answers[id] = answer
			})
		}
		f.callers.Wait()
		require.Equal(t, map[int]int{0: 0, 1: 1, 2: -2, 3: 3, 4: -4}, answers)
	})
}
