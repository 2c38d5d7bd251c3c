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
	{"after " + workflows.ActivityOpenEpoch, `EXISTS (SELECT FROM sluice.dispatchers WHERE cycle = 0) AND ` + nothingClaimed, true},
	{"after " + workflows.ActivityCheckCapacity, nothingClaimed, true},
	{"before " + workflows.ActivityClaimExecutions, nothingClaimed, true},
	// Claimed, and the record of it lost with the workflow task.
	{"after " + workflows.ActivityClaimExecutions, allClaimed, true},
	{"before " + workflows.ActivityDispatchExecutions, allClaimed, true},
	{"before " + stepStart, allClaimed, true},
	// Started, and nothing settled.
	{"after " + stepStart, `NOT EXISTS (SELECT FROM sluice.slots WHERE dispatched)`, false},
	// Settled, and the record of it lost.
	{"after " + workflows.ActivityDispatchExecutions, `NOT EXISTS (SELECT FROM sluice.slots WHERE NOT dispatched)
		AND (SELECT count(*) FROM sluice.workflow_executions WHERE engine_run_id <> '') = 5`, false},
	{"during " + workflows.ActivityAwaitWork, `EXISTS (SELECT FROM sluice.parked WHERE NOT spinning)`, false},
	{duringCall, `EXISTS (SELECT FROM sluice.slots)`, false},
	{"before " + workflows.ActivityRecordOutcome, `NOT EXISTS (SELECT FROM sluice.executions WHERE status = 'COMPLETED')`, false},
	// The slot is free, and the workflow still open.
	{"after " + workflows.ActivityRecordOutcome, `EXISTS (SELECT FROM sluice.executions WHERE status = 'COMPLETED')`, false},
}

const (
	nothingClaimed = `NOT EXISTS (SELECT FROM sluice.slots)`
	allClaimed     = `(SELECT count(*) FROM sluice.slots WHERE NOT dispatched) = 5` // the limits are 2 and 3
)

// A process that is killed at any step loses nothing and doubles nothing; whoever comes next goes on.
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
