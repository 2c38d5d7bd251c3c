package host

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store/fleet"
)

// stage is a queue and a Temporal that a test plays on; synctest's clock makes its delays exact.
type stage struct {
	*workspaces
	mu       sync.Mutex
	working  map[uuid.UUID]bool
	up       map[uuid.UUID]bool
	most     int // workers up at once
	startErr map[uuid.UUID]error
	fatal    map[uuid.UUID]func(error)
	starts   map[uuid.UUID]int
	lookErr  error
	stopFor  time.Duration                 // until a worker that stops polls no more
	inHand   time.Duration                 // until it has then finished what it has in hand
	as       map[uuid.UUID]fleet.Workspace // how this worker sees it
	asked    []question
	cutOff   bool
}

func newStage(limit int) *stage {
	s := &stage{
		workspaces: newWorkspaces(limit, testRules, 500*time.Millisecond, slog.New(slog.DiscardHandler)),
		working:    map[uuid.UUID]bool{}, up: map[uuid.UUID]bool{}, startErr: map[uuid.UUID]error{},
		fatal: map[uuid.UUID]func(error){}, starts: map[uuid.UUID]int{}, as: map[uuid.UUID]fleet.Workspace{}, stopFor: 4 * time.Millisecond,
	}
	s.ask = func(_ context.Context, q question) (found []fleet.Workspace, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, q)
		all := maps.Clone(s.working)
		for _, id := range q.named {
			all[id] = true
		}
		for id := range all {
			as := s.as[id]
			as.ID = id
			found = append(found, as)
		}
		return found, s.lookErr
	}
	s.start = func(id uuid.UUID, fatal func(error)) (func(func()), error) {
		time.Sleep(8 * time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.starts[id]++
		if err := s.startErr[id]; err != nil {
			return nil, err
		}
		s.up[id], s.fatal[id] = true, fatal
		s.most = max(s.most, len(s.up))
		return func(left func()) {
			s.mu.Lock()
			d, inHand := s.stopFor, s.inHand
			s.mu.Unlock()
			time.Sleep(d)
			s.set(func() { delete(s.up, id) })
			left()
			time.Sleep(inHand)
		}, nil
	}
	return s
}

func (s *stage) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *stage) isUp(id uuid.UUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up[id]
}

func (s *stage) kill(id uuid.UUID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fatal[id](err)
}

func (s *stage) startsOf(id uuid.UUID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starts[id]
}

// play runs the loop inside a bubble, then ends it and returns what drain returned.
func play(t *testing.T, s *stage, f func()) (err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		s.run(ctx)
		err = s.drain(time.Second, func() { s.set(func() { s.cutOff = true }) })
	})
	f()
	cancel()
	running.Wait()
	return err
}

func TestWorkerComesAndGoesWithTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(3)
		require.NoError(t, play(t, s, func() {
			time.Sleep(2 * time.Second)
			require.NoError(t, s.ready())
			require.False(t, s.isUp(ws(1)))
			s.set(func() { s.working[ws(1)] = true })
			time.Sleep(700 * time.Millisecond)
			require.True(t, s.isUp(ws(1)), "a look at the queue takes at most 625 ms, a start 8 ms")
			s.set(func() { delete(s.working, ws(1)) })
			time.Sleep(29 * time.Second)
			require.True(t, s.isUp(ws(1)), "it is idle, but not for long enough")
			time.Sleep(3 * time.Second)
			require.False(t, s.isUp(ws(1)))
			require.Equal(t, Stats{Limit: 3}, s.snapshot())
		}))
		require.Equal(t, 1, s.starts[ws(1)])
	})
}

func TestHintStartsAtOnceAndOutlivesAnOlderAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(3)
		s.every = time.Hour // no answer of its own between the hint and the ones below
		require.NoError(t, play(t, s, func() {
			time.Sleep(time.Second)
			asked := time.Now()
			time.Sleep(time.Millisecond)
			s.ensure(ws(1))
			time.Sleep(9 * time.Millisecond)
			require.True(t, s.isUp(ws(1)))
			s.post(func() { // on the loop, as answers are taken in
				s.seen(asked, nil, nil)
				require.Contains(t, s.work, ws(1), "the answer is older than the hint")
				s.seen(time.Now().Add(time.Nanosecond), nil, nil)
				require.NotContains(t, s.work, ws(1))
			})
			synctest.Wait()
		}))
		require.False(t, s.post(func() {}), "nothing listens after run")
		s.ensure(ws(2)) // which does no harm
	})
}

func TestAllTakeTurnsWithinTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const population, limit = 50, 20 // more than actionsAtOnce
		s := newStage(limit)
		for i := range population {
			s.working[ws(i)] = true
		}
		require.NoError(t, play(t, s, func() {
			time.Sleep(time.Second)
			require.Equal(t, Stats{Hosted: limit, Waiting: population - limit, Limit: limit}, s.snapshot())
			time.Sleep(3 * (testRules.turn + time.Second)) // ceil(50/20) turns
			for i := range population {
				require.Positive(t, s.startsOf(ws(i)), "workspace %d", i)
			}
			time.Sleep(3 * (testRules.turn + time.Second))
			for i := range population {
				require.Greater(t, s.startsOf(ws(i)), 1, "workspace %d comes again", i)
			}
		}))
		require.Equal(t, limit, s.most)
		require.Empty(t, s.up, "run stops what it started")
	})
}

func TestFailedStartIsRetriedAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.working[ws(1)] = true
		s.startErr[ws(1)] = errors.New("unavailable")
		require.NoError(t, play(t, s, func() {
			time.Sleep(2 * time.Second)
			s.set(func() { s.working[ws(2)] = true })
			time.Sleep(time.Second)
			require.True(t, s.isUp(ws(2)))
			time.Sleep(time.Minute)
			require.Positive(t, s.startsOf(ws(2)))
			require.InDelta(t, 10, s.startsOf(ws(1)), 4, "retried, with growing pauses")
			s.set(func() { delete(s.startErr, ws(1)); delete(s.working, ws(2)) })
			time.Sleep(maxRetryPause + 5*time.Second)
			require.True(t, s.isUp(ws(1)))
		}))
	})
}

func TestDeadWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.working[ws(1)] = true
		require.NoError(t, play(t, s, func() {
			time.Sleep(time.Second)
			s.kill(ws(1), errors.New("namespace not found"))
			time.Sleep(time.Second)
			require.Equal(t, 2, s.startsOf(ws(1)))
			require.True(t, s.isUp(ws(1)))
			time.Sleep(time.Minute)
			s.post(func() { require.Empty(t, s.failed, "forgiven once it has run for a while") })
			synctest.Wait()
		}))
	})
}

func TestWorkerThatDiesWhileStartingIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.working[ws(1)] = true
		inner := s.start
		s.start = func(id uuid.UUID, fatal func(error)) (func(func()), error) {
			if s.startsOf(id) == 0 {
				fatal(errors.New("dead on arrival"))
			}
			return inner(id, fatal)
		}
		require.NoError(t, play(t, s, func() {
			time.Sleep(3 * time.Second)
			require.Equal(t, 2, s.startsOf(ws(1)))
			require.True(t, s.isUp(ws(1)))
		}))
	})
}

func TestSilentQueueStopsNoWorkspaceWithWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1)
		s.working[ws(1)] = true
		require.NoError(t, play(t, s, func() {
			time.Sleep(time.Second)
			broken := errors.New("connection refused")
			s.set(func() { s.lookErr = broken })
			time.Sleep(5 * time.Minute)
			require.True(t, s.isUp(ws(1)))
			require.Equal(t, 1, s.startsOf(ws(1)))
			require.ErrorIs(t, s.ready(), broken)
			s.set(func() { s.lookErr = nil })
			time.Sleep(time.Second)
			require.NoError(t, s.ready())
		}))
	})
}

func TestDrainGivesUpInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(2)
		s.working[ws(1)], s.stopFor = true, time.Minute
		began := time.Now()
		err := play(t, s, func() { time.Sleep(2 * time.Second) })
		require.ErrorIs(t, err, ErrDrain)
		require.Equal(t, 3250*time.Millisecond, time.Since(began), "and a quarter for what is cut off")
		require.True(t, s.cutOff)
		time.Sleep(time.Minute) // the stop in flight ends by itself
	})
}

func TestDrainWaitsForAStartInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(2)
		err := play(t, s, func() {
			time.Sleep(time.Second)
			s.ensure(ws(1))
			time.Sleep(time.Millisecond)
		})
		require.NoError(t, err)
		require.Equal(t, 1, s.starts[ws(1)])
		require.Empty(t, s.up)
	})
}
