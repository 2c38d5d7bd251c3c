package e2e

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"sluice/internal/operate"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// starts makes a meddler that counts the starts of each workflow and answers as the test says.
type starts struct {
	mu     sync.Mutex
	counts map[string]int
	// answer is asked with the number of this start of the workflow, from 1.
	answer func(nth int, id string, do func() (any, error)) (any, error)
}

func (a *starts) meddle(ctx context.Context, s step, do func(context.Context) (any, error)) (any, error) {
	if s.name != stepStart {
		return do(ctx)
	}
	a.mu.Lock()
	if a.counts == nil {
		a.counts = map[string]int{}
	}
	a.counts[s.workflow]++
	nth := a.counts[s.workflow]
	a.mu.Unlock()
	return a.answer(nth, s.workflow, func() (any, error) { return do(ctx) })
}

func (a *starts) of(id uuid.UUID) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counts[workflows.ExecutionID(id)]
}

// runMeddled starts a worker process with this meddler, and the dispatcher.
func (s *stack) runMeddled(meddle meddler) {
	s.t.Helper()
	c := s.meddled(meddle)
	s.host(func(config *host.Config) { config.Client = c })
	s.dispatch(workflows.State{})
}

func TestAStartWhoseAnswerIsLostIsFoundAgain(t *testing.T) {
	t.Parallel()
	lost := map[string]error{
		"unavailable":       serviceerror.NewUnavailable("connection reset"),
		"deadline exceeded": serviceerror.NewDeadlineExceeded("slow"),
		"context":           context.DeadlineExceeded,
	}
	for name, err := range lost {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			api := newEndpoint(t)
			ids := s.enqueueEach(s.callingWorkspaces(api, 2, 3), 4)
			a := &starts{answer: func(nth int, _ string, do func() (any, error)) (any, error) {
				run, doErr := do()
				if nth == 1 && doErr == nil {
					return nil, err
				}
				return run, doErr
			}}
			s.runMeddled(a.meddle)
			// The endpoint is closed: what has been started runs on, and it is the next cycle that settles it.
			s.awaitCount(5, `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`)
			running, err := s.queue.List(s.ctx, queue.Filter{Status: "RUNNING"})
			require.NoError(t, err)
			for _, item := range running {
				require.Equal(t, 2, a.of(item.ID), "one start, and one that found it")
			}
			api.open()
			s.completedOnce(ids)
			for _, id := range ids {
				require.Equal(t, 1, api.callsOf(id))
			}
			status, err := operate.Status(s.ctx, s.client)
			require.NoError(t, err)
			require.Zero(t, status.Totals.Requeued+status.Totals.Failed)
		})
	}
}

func TestAStartThatDoesNotReachTemporalIsNoAttempt(t *testing.T) {
	t.Parallel()
	unreached := map[string]error{
		"unavailable":        serviceerror.NewUnavailable("connection refused"),
		"resource exhausted": serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "busy"),
	}
	for name, err := range unreached {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			api := newEndpoint(t)
			api.open()
			ids := s.enqueueEach(s.callingWorkspaces(api, 2, 3), 2)
			reachable := make(chan struct{})
			a := &starts{answer: func(_ int, _ string, do func() (any, error)) (any, error) {
				select {
				case <-reachable:
					return do()
				default:
					return nil, err
				}
			}}
			s.runMeddled(a.meddle)
			// More often than an item has attempts, all of them while the claims are held.
			require.Eventually(t, func() bool { return a.of(ids[0]) > 3 }, patience, 10*time.Millisecond)
			require.Equal(t, 4, s.count(`SELECT count(*) FROM sluice.queue_items WHERE status = 'CLAIMED' AND attempt_count = 0`))
			require.Equal(t, 4, s.count(`SELECT count(*) FROM sluice.running WHERE dispatched_at IS NULL`))
			close(reachable)
			s.completedOnce(ids)
		})
	}
}

func TestAStartThatIsRefusedCostsItsItemOnly(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	api := newEndpoint(t)
	api.open()
	ids := s.enqueueEach(s.callingWorkspaces(api, 2), 4) // the broken one holds a slot
	refused, broken, shaky, fine := ids[0], ids[1], ids[2], ids[3]
	var mended atomic.Bool
	a := &starts{answer: func(nth int, id string, do func() (any, error)) (any, error) {
		switch {
		case id == workflows.ExecutionID(refused):
			return nil, serviceerror.NewInvalidArgument("blob size exceeds limit")
		case id == workflows.ExecutionID(broken) && !mended.Load(), id == workflows.ExecutionID(shaky) && nth == 1:
			return nil, serviceerror.NewInternal("shard closed")
		}
		return do()
	}}
	s.runMeddled(a.meddle)

	item := s.await(refused, "FAILED")
	require.Equal(t, "start-refused", *item.Reason)
	require.Equal(t, 1, a.of(refused), "it is not asked for again")
	s.await(fine, workflows.StatusCompleted)

	// What says nothing about the item costs no attempt: it may have started.
	require.Zero(t, s.await(shaky, workflows.StatusCompleted).AttemptCount)
	require.Equal(t, 2, a.of(shaky))
	s.awaitCount(1, `SELECT count(*) FROM sluice.queue_items WHERE id = $1 AND status = 'CLAIMED' AND attempt_count = 0 AND error LIKE '%shard closed%'`, broken)
	mended.Store(true)
	require.Zero(t, s.await(broken, workflows.StatusCompleted).AttemptCount)
	require.Zero(t, s.count(`SELECT count(*) FROM sluice.activity WHERE action = 'requeued'`))
	s.awaitCount(0, `SELECT count(*) FROM sluice.running`)
	s.ranOnce([]uuid.UUID{shaky, fine, broken})
	s.withinLimits()
	s.audit()
}
