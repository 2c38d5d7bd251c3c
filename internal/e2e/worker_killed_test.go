package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/workflows"
)

const duringCall = "during " + workflows.ActivityCallHTTP

// crashes are the steps at which a worker process is killed, on the way of an item from the queue to its outcome.
var crashes = []struct {
	at string
	// leaves is what the database must show after the death, to prove that it came at the right time.
	leaves string
	// unheard says that no execution can have called out by then, so that each call is made once.
	unheard bool
}{
	{"after " + workflows.ActivityTakeOver, `EXISTS (SELECT FROM sluice.turns WHERE kind = 'run') AND ` + nothingClaimed, true},
	{"after " + workflows.ActivityCheckCapacity, nothingClaimed, true},
	{"before " + workflows.ActivityClaimExecutions, nothingClaimed, true},
	// Claimed, and the record of it lost with the workflow task.
	{"after " + workflows.ActivityClaimExecutions, allClaimed, true},
	{"before " + workflows.ActivityDispatchExecutions, allClaimed, true},
	{"before " + stepStart, allClaimed, true},
	// Started, and nothing settled.
	{"after " + stepStart, `NOT EXISTS (SELECT FROM sluice.running WHERE dispatched_at IS NOT NULL)`, false},
	// Started, perhaps settled, and the record of it lost.
	{"after " + workflows.ActivityDispatchExecutions, `(SELECT count(*) FROM sluice.queue_items WHERE claimed_at IS NOT NULL) = 5`, false},
	// Settled, and the record of it lost.
	{"settled " + workflows.ActivityDispatchExecutions, `(SELECT count(*) FROM sluice.executions WHERE engine_run_id <> '') = 5`, false},
	// The process has seen itself listen. The wait may end before the signal arrives, and the row go.
	{"during " + workflows.ActivityAwaitWork, `true`, false},
	{duringCall, `EXISTS (SELECT FROM sluice.running)`, false},
	{"before " + workflows.ActivityRecordOutcome, `NOT EXISTS (SELECT FROM sluice.executions WHERE status = 'COMPLETED')`, false},
	// The slot is free, and the workflow still open.
	{"after " + workflows.ActivityRecordOutcome, `EXISTS (SELECT FROM sluice.executions WHERE status = 'COMPLETED')`, false},
}

const (
	nothingClaimed = `NOT EXISTS (SELECT FROM sluice.running)`
	allClaimed     = `(SELECT count(*) FROM sluice.running WHERE dispatched_at IS NULL) = 5` // the limits are 2 and 3
)

// A process that is killed at any step loses nothing and doubles nothing; the next one goes on. This test takes longest, and stands
// in one of the last files because parallel tests begin in reverse order: it would be the only one at the end.
func TestAWorkerKilledAtAnyStepLosesNothing(t *testing.T) {
	t.Parallel()
	// They wait most of the time, for the timeouts that notice a death: more at once than there are processors.
	atOnce := make(chan struct{}, 4)
	var running sync.WaitGroup
	for _, crash := range crashes {
		running.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			t.Run(crash.at, func(t *testing.T) {
				s := newStack(t)
				api := newEndpoint(t)
				api.limit = "10s"
				api.open()
				definitions := s.callingWorkspaces(api, 2, 3)
				ids := s.enqueueEach(definitions, 4)
				s.dispatch(workflows.State{})
				s.killedAt(crash.at)
				died := time.Now()
				require.Equal(t, 1, s.count(`SELECT (`+crash.leaves+`)::int`), crash.leaves)
				ids = append(ids, s.enqueueEach(definitions, 2)...)

				s.host(nil)
				s.completedOnce(ids)
				t.Logf("all done %s after the death", time.Since(died).Round(100*time.Millisecond))
				most := 2 // a call that died with its process is made again, under the same key
				if crash.unheard {
					most = 1
				}
				for _, id := range ids {
					require.Positive(t, api.callsOf(id))
					require.LessOrEqual(t, api.callsOf(id), most, "calls of %s", id)
				}
				require.Zero(t, s.count(`SELECT count(*) FROM sluice.activity WHERE action IN ('requeued', 'recovered')`), "nothing had to be mended")
			})
		})
	}
	running.Wait()
}

// While little happens, cycles are taken by the activity that waits for work, outside of the dispatcher's workflow task.
func TestAWorkerKilledInTheCycleThatEndsAWaitLosesNothing(t *testing.T) {
	t.Parallel()
	for at, most := range map[string]int{"before " + stepStart: 1, "after " + stepStart: 2} { // calls of one execution
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			api := newEndpoint(t)
			api.limit = "10s"
			definitions := s.callingWorkspaces(api, 2, 3)
			s.dispatch(workflows.State{})
			worker, output := s.process(at)
			s.awaitWaiting(1)
			ids := s.enqueueEach(definitions, 4)
			s.awaitKill(worker, output)
			require.NotZero(t, s.count(`SELECT count(*) FROM sluice.running WHERE dispatched_at IS NULL`), "it was in the middle")
			died := time.Now()

			api.open()
			s.host(nil)
			s.completedOnce(ids)
			t.Logf("all done %s after the death", time.Since(died).Round(100*time.Millisecond))
			for _, id := range ids {
				require.Positive(t, api.callsOf(id))
				require.LessOrEqual(t, api.callsOf(id), most, "calls of %s", id)
			}
		})
	}
}
