package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"sluice/worker/host"
	"sluice/workflows"
)

// A process loses Temporal, but not Postgres, in the middle of a step. Its workflow task times out and another process
// does the step again, in the same run. Then the first one goes on.
func TestAStepDoneByAnotherProcessMeanwhileChangesNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		activity, at string
		late         error // what its starts come to; nil: they cannot reach Temporal
	}{
		"claims late":          {activity: workflows.ActivityClaimExecutions, at: workflows.ActivityClaimExecutions},
		"dispatches late":      {activity: workflows.ActivityDispatchExecutions, at: workflows.ActivityDispatchExecutions},
		"starts late":          {activity: workflows.ActivityDispatchExecutions, at: stepStart},
		"failed to start":      {activity: workflows.ActivityDispatchExecutions, at: stepStart, late: serviceerror.NewInternal("shard closed")},
		"was refused to start": {activity: workflows.ActivityDispatchExecutions, at: stepStart, late: serviceerror.NewInvalidArgument("blob size exceeds limit")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			api := newEndpoint(t)
			ids := s.enqueueEach(s.callingWorkspaces(api, 2, 3), 4)
			z := newZombie(t, tt.activity, tt.at)
			if tt.late != nil {
				z.late = func() (any, error) { return nil, tt.late }
			}
			temporal, _ := s.hostBehindLink(z)
			s.dispatch(workflows.State{})
			await(t, "held", z.held)
			temporal.cut()
			s.process("")                                                                          // not one of ours: workers of one process share an engine, and would wait for the zombie
			s.awaitCount(5, `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`) // and held: the endpoint is closed
			require.Equal(t, 1, s.count(takeovers))

			before := s.mustFacts()
			z.wake()
			require.NoError(t, await(t, "done", z.ended))
			require.Equal(t, before, s.mustFacts())
			api.open()
			s.completedOnce(ids)
			for _, id := range ids {
				require.Equal(t, 1, api.callsOf(id))
			}
		})
	}
}

// A workflow of a caller's own may be started by its id as often as one likes. What another process has started meanwhile, and has run, is
// not started again by the one that goes on late.
func TestAWorkflowThatAnotherProcessHasRunMeanwhileIsNotStartedLate(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.own("orders", ownTypes)
	item := s.enqueueOwn(s.workspace("PRO").ID, client.StartWorkflowOptions{ID: "order-1", TaskQueue: "orders"}, "Continues", 1)
	z := newZombie(t, workflows.ActivityDispatchExecutions, workflows.ActivityDispatchExecutions)
	temporal, late := s.hostBehindLink(z)
	s.dispatch(workflows.State{})
	await(t, "held", z.held)
	temporal.cut()
	s.process("")
	s.await(item.QueueID, workflows.StatusCompleted)
	newest, err := s.client.DescribeWorkflowExecution(s.ctx, "order-1", "")
	require.NoError(t, err)

	temporal.mend()
	s.eventually(func() bool {
		_, err := late.DescribeWorkflowExecution(s.ctx, "order-1", "")
		return err == nil
	}, patience, "its connection does not come back")
	z.wake()
	require.NoError(t, await(t, "done", z.ended))
	found, err := s.client.DescribeWorkflowExecution(s.ctx, "order-1", "")
	require.NoError(t, err)
	require.Equal(t, newest.GetWorkflowExecutionInfo().GetExecution().GetRunId(), found.GetWorkflowExecutionInfo().GetExecution().GetRunId(), "it was run again")
	s.audit()
}

// hostBehindLink runs a worker process with this zombie in it, whose connection to Temporal can be cut.
func (s *stack) hostBehindLink(z *zombie) (temporal *link, c client.Client) {
	s.t.Helper()
	temporal = newLink(s.t, s.address)
	c, err := dial(temporal.address, s.namespace, z.meddle)
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	s.host(func(config *host.Config) {
		config.Client = c
		config.ShutdownTimeout = 10 * time.Second
	})
	s.t.Cleanup(temporal.mend) // it has to say goodbye
	s.t.Cleanup(z.wake)
	return temporal, c
}
