package e2e

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"sluice/internal/operate"
	"sluice/queue"
	"sluice/workflows"
)

// zombie is an activity of the first run that comes to it. It is held at a step and goes on when its time is over, as
// one does in a process that was stopped and is continued.
type zombie struct {
	activity string
	at       string              // the step it is held before: itself, or a start that it makes
	late     func() (any, error) // what becomes of that step later; nil: it is done
	others   func(step) error    // what other runs get instead of their steps; nil: nothing
	held     chan struct{}       // closed when it is held
	wake     func()              // lets it go on
	ended    chan error          // how the activity ended
	woken    chan struct{}       // closed by wake
	arrive   func()              // closes held
	mu       sync.Mutex          // guards run
	run      string              // the first run
}

func newZombie(t *testing.T, activity, at string) *zombie {
	z := &zombie{activity: activity, at: at, held: make(chan struct{}), woken: make(chan struct{}), ended: make(chan error, 100)}
	z.arrive = sync.OnceFunc(func() { close(z.held) })
	z.wake = sync.OnceFunc(func() { close(z.woken) })
	t.Cleanup(z.wake)
	return z
}

func (z *zombie) meddle(ctx context.Context, s step, do func(context.Context) (any, error)) (any, error) {
	if !z.owns(s) {
		if z.others != nil {
			if err := z.others(s); err != nil {
				return nil, err
			}
		}
		return do(ctx)
	}
	// What is on its way when a process is stopped heeds no deadline of that process.
	ctx = context.WithoutCancel(ctx)
	if s.name == z.at {
		z.arrive()
		<-z.woken
		if z.late != nil {
			return z.late()
		}
	}
	result, err := do(ctx)
	if s.name == z.activity {
		z.ended <- err
	}
	return result, err
}

func (z *zombie) owns(s step) bool {
	if s.name != z.activity && s.name != z.at {
		return false
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.run == "" {
		z.run = s.run
	}
	return z.run == s.run
}

// await waits for something that the zombie does.
func await[T any](t *testing.T, what string, c <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(patience):
		t.Fatalf("the zombie was never %s", what)
	}
	return got
}

// replaceDispatcher terminates the dispatcher in whatever it does, and starts it again.
func (s *stack) replaceDispatcher() {
	s.t.Helper()
	require.NoError(s.t, s.client.TerminateWorkflow(s.ctx, workflows.DispatcherID, "", "by hand"))
	s.dispatch(workflows.State{})
}

func (s *stack) mustFacts() string {
	s.t.Helper()
	facts, err := s.facts()
	require.NoError(s.t, err)
	return facts
}

func TestTheClaimOfAnOvertakenRunTakesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	api := newEndpoint(t)
	api.open()
	definitions := s.callingWorkspaces(api, 2, 3)
	ids := s.enqueueEach(definitions, 3)
	z := newZombie(t, workflows.ActivityClaimExecutions, workflows.ActivityClaimExecutions)
	s.runMeddled(z.meddle)
	await(t, "held", z.held)
	require.Zero(t, s.count(`SELECT count(*) FROM sluice.running`))

	s.replaceDispatcher()
	s.awaitCount(len(ids), `SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
	// Items wait and slots are free, and nothing claims but the zombie.
	_, err := operate.Pause(s.ctx, s.client, s.pool, workflows.PauseRequest{Actor: "ann"})
	require.NoError(t, err)
	ids = append(ids, s.enqueueEach(definitions, 2)...)
	before := s.mustFacts()
	z.wake()
	require.NoError(t, await(t, "done", z.ended))
	require.Equal(t, before, s.mustFacts())

	_, err = operate.Resume(s.ctx, s.client, s.pool, workflows.ResumeRequest{Actor: "ann"})
	require.NoError(t, err)
	s.completedOnce(ids)
	require.Equal(t, 3, s.count(takeovers), "by two runs, and by the second again for the pause")
}

// A dispatcher is terminated by hand in the middle of a dispatch, claims made and starts on their way. The next one
// takes the claims up as they are; then the starts of the first one arrive, or turn out to have failed.
func TestADispatchOfAnOvertakenRunRecordsFactsOnly(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		successorCutOff bool // it has taken over, but cannot reach Temporal
		failed          bool // the zombie's starts failed
	}{
		"it starts what has been started":   {},
		"it takes for failed what runs":     {failed: true},
		"it starts what the other cannot":   {successorCutOff: true},
		"it takes for failed what is taken": {successorCutOff: true, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			api := newEndpoint(t)                                   // closed: slots are held
			ids := s.enqueueEach(s.callingWorkspaces(api, 2, 3), 2) // all are claimed at once
			z := newZombie(t, workflows.ActivityDispatchExecutions, stepStart)
			if tt.failed {
				z.late = func() (any, error) { return nil, serviceerror.NewInternal("shard closed") }
			}
			var cutOff atomic.Bool
			var inVain atomic.Int32
			cutOff.Store(tt.successorCutOff)
			z.others = func(at step) error {
				if at.name == stepStart && cutOff.Load() {
					inVain.Add(1)
					return serviceerror.NewUnavailable("connection refused")
				}
				return nil
			}
			s.runMeddled(z.meddle)
			await(t, "held", z.held)
			require.Equal(t, len(ids), s.count(`SELECT count(*) FROM sluice.running WHERE dispatched_at IS NULL`))
			s.replaceDispatcher()
			replaced := time.Now()
			if tt.successorCutOff {
				require.Eventually(t, func() bool { return inVain.Load() > 0 }, patience, 10*time.Millisecond)
			} else {
				s.awaitCount(len(ids), `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL AND turn < (SELECT turn FROM sluice.dispatchers)`)
				t.Logf("the successor started what was claimed after %s", time.Since(replaced).Round(time.Millisecond))
			}
			require.Equal(t, 2, s.count(takeovers))

			before := s.mustFacts()
			z.wake()
			require.NoError(t, await(t, "done", z.ended))
			if tt.successorCutOff && !tt.failed {
				s.awaitCount(len(ids), `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`) // the workflows do exist
			} else {
				require.Equal(t, before, s.mustFacts())
			}
			cutOff.Store(false)
			api.open()
			s.completedOnce(ids)
			for _, id := range ids {
				require.Equal(t, 1, api.callsOf(id))
			}
		})
	}
}

// The execution was terminated while its outcome was on its way, and recovery has said so. The first outcome stays.
func TestAnOutcomeThatComesAfterTheRepairChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws := s.workspace(s.tier(1))
	first := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: s.definition(ws.ID, node{kind: "noop"}).ID})
	second := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: s.definition(ws.ID, node{kind: "delay", config: forAnHour}).ID})
	z := newZombie(t, workflows.ActivityRecordOutcome, workflows.ActivityRecordOutcome)
	s.runMeddled(z.meddle)
	await(t, "held", z.held)
	require.NoError(t, s.client.TerminateWorkflow(s.ctx, workflows.ExecutionID(first), "", "by hand"))
	require.Eventually(t, func() bool {
		s.age()
		s.recover()
		item, err := s.queue.Get(s.ctx, first)
		return err == nil && item.ExecutionStatus != nil && *item.ExecutionStatus == workflows.StatusTerminated
	}, patience, 50*time.Millisecond)
	s.await(second, "RUNNING") // it has the slot now

	before := s.mustFacts()
	z.wake()
	require.NoError(t, await(t, "done", z.ended))
	require.Equal(t, before, s.mustFacts())
	require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.running WHERE id = $1`, second))
	s.audit()
	require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(second)))
	s.await(second, workflows.StatusCancelled)
	require.Equal(t, workflows.StatusTerminated, *s.await(first, workflows.StatusTerminated).ExecutionStatus)
	require.Zero(t, s.count(`SELECT count(*) FROM sluice.running`))
	s.withinLimits()
	s.audit()
}
