package queue

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

// gathering is a gatherer whose statements take their time and do nothing else. It checks what has to hold of each.
type gathering struct {
	gatherer[wish, int]
	t       *testing.T
	lasts   func() time.Duration
	callers sync.WaitGroup

	mu          sync.Mutex // guards what follows
	statements  [][]int    // the wishes of each, in the order in which they began
	now, shared int        // of them
	granted     map[int]int
}

type wish struct {
	caller    context.Context
	id, bytes int
}

// waits tells whether the one who has this wish has not given up before now.
func (one wish) waits() bool {
	until, ends := one.caller.Deadline()
	return !ends || !time.Now().After(until)
}

func newGathering(t *testing.T, room int, lasts func() time.Duration) *gathering {
	w := &gathering{t: t, lasts: lasts, granted: map[int]int{}}
	w.gatherer = gatherer[wish, int]{doing: "wish", room: room, patience: time.Hour,
		size:  func(one wish) int { return one.bytes },
		alone: func(ctx context.Context, one wish) (int, error) { return -one.id, w.statement(ctx, one) },
		together: func(ctx context.Context, calls []*call[wish, int]) {
			var wishes []wish
			for _, c := range calls {
				wishes = append(wishes, c.request)
			}
			err := w.statement(ctx, wishes...)
			for _, c := range calls {
				c.reply(-c.request.id, err)
			}
		},
	}
	return w
}

func (w *gathering) statement(ctx context.Context, wishes ...wish) error {
	var ids []int
	for _, one := range wishes {
		ids = append(ids, one.id)
		assert.True(w.t, one.waits(), "who has left is left out")
	}
	w.mu.Lock()
	w.statements = append(w.statements, ids)
	w.count(1, len(ids))
	w.mu.Unlock()
	select {
	case <-time.After(w.lasts()):
		assert.True(w.t, slices.ContainsFunc(wishes, wish.waits), "a statement that nobody waits for any more ends")
	case <-ctx.Done():
		for _, one := range wishes {
			assert.Error(w.t, one.caller.Err(), "a statement that somebody waits for goes on")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count(-1, len(ids))
	for _, id := range ids {
		if ctx.Err() == nil {
			w.granted[id]++
		}
	}
	return ctx.Err()
}

func (w *gathering) count(by, wishes int) {
	w.now += by
	if wishes > 1 {
		w.shared += by
		assert.LessOrEqual(w.t, w.now, w.room)
	}
	assert.LessOrEqual(w.t, w.shared, 1)
}

// call makes a wish, and returns when all has happened that can happen at this moment.
func (w *gathering) call(ctx context.Context, id, bytes int, then func(answer int, err error)) {
	w.callers.Go(func() { then(w.do(ctx, wish{ctx, id, bytes})) })
	synctest.Wait()
}

// Callers come and give up at random, beside statements that take longer than some have patience.
func TestWhoeverGathersIsServed(t *testing.T) {
	t.Parallel()
	const callers = 1000
	upTo := func(d time.Duration) time.Duration { return 1 + rand.N(d) }
	for _, room := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			w := newGathering(t, room, func() time.Duration { return upTo(5 * time.Millisecond) })
			for id := range callers {
				time.Sleep(upTo(5 * time.Millisecond >> rand.N(6)))
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if rand.N(8) > 0 {
					ctx, cancel = context.WithTimeout(ctx, upTo(8*time.Millisecond))
				}
				w.call(ctx, id, 1, func(answer int, err error) {
					defer cancel()
					if err == nil {
						w.mu.Lock()
						defer w.mu.Unlock()
						assert.Equal(t, -id, answer, "to each its own")
						assert.Equal(t, 1, w.granted[id], "what is answered is done")
						return
					}
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					assert.True(t, wish{caller: ctx}.waits(), "who gives up leaves at once")
				})
				w.gatherer.mu.Lock()
				assert.True(t, len(w.waiting) == 0 || w.sharing || w.underWay == room, "who comes when there is room waits for nobody")
				w.gatherer.mu.Unlock()
			}
			w.callers.Wait()
			synctest.Wait()
			require.Zero(t, w.gathered()+w.underWay, "nothing is left running")
			require.Less(t, len(w.statements), callers*4/5, "they share")
		})
	}
}

func TestABatchHasItsLimitsAndItsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newGathering(t, 1, func() time.Duration { return time.Minute })
		for id, bytes := range append(make([]int, 1+2*maxGathered), 3<<20, 2<<20, 5<<20, 2<<20, 2<<20, 1) {
			w.call(t.Context(), id, bytes, func(_ int, err error) { assert.NoError(t, err) })
		}
		w.callers.Wait()
		var lengths []int
		for _, ids := range w.statements {
			lengths = append(lengths, len(ids))
		}
		require.Equal(t, []int{1, 256, 256, 1, 1, 1, 2, 1}, lengths)
		require.IsIncreasing(t, slices.Concat(w.statements...))
	})
}

func TestNobodyWaitsForAStatementThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lasts := make(chan time.Duration, 7)
		lasts <- time.Minute
		lasts <- 10 * time.Hour // its turn comes, and it hangs
		w := newGathering(t, 1, func() time.Duration { return <-lasts })
		w.call(t.Context(), 1, 0, func(int, error) {})
		w.call(t.Context(), 2, 0, func(int, error) {})
		time.Sleep(2 * time.Minute)
		close(lasts) // the others take no time
		began := time.Now()
		for id := range 5 {
			w.call(t.Context(), 3+id, 0, func(_ int, err error) {
				assert.NoError(t, err)
				assert.LessOrEqual(t, time.Since(began), 2*w.patience)
			})
		}
		w.callers.Wait()
		require.Len(t, w.statements, 7)
	})
}

// A queue may be long, as long as it moves.
func TestWhoWaitsBehindManyHasPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newGathering(t, 1, func() time.Duration { return 40 * time.Minute })
		for id := range 1 + 4*maxGathered {
			w.call(t.Context(), id, 0, func(_ int, err error) { assert.NoError(t, err) })
		}
		w.callers.Wait()
		require.Len(t, w.statements, 5)
	})
}
