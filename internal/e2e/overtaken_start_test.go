package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"sluice/workflows"
)

// A process loses Temporal in the middle of a dispatch, and its start has failed. A second one does the dispatch again
// in the same run, and dies when it has started the workflow and not settled it. The first one, when it goes on, must
// not put the claim back: that would free a slot that is held.
func TestAFailedStartDoesNotUndoAnothersStart(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	api := newEndpoint(t)
	ids := s.enqueueEach(s.callingWorkspaces(api, 1), 2)
	z := newZombie(t, workflows.ActivityDispatchExecutions, stepStart)
	z.late = func() (any, error) { return nil, serviceerror.NewInternal("shard closed") }
	temporal, _ := s.hostBehindLink(z)
	s.dispatch(workflows.State{})
	await(t, "held", z.held)
	temporal.cut()
	s.killedAt("after " + stepStart)
	_, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(ids[0]), "")
	require.NoError(t, err, "it was started")

	before := s.mustFacts()
	z.wake()
	await(t, "done", z.ended)
	require.Equal(t, before, s.mustFacts())
	s.process("")
	s.awaitCount(1, `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`)
	api.open()
	s.completedOnce(ids)
}
