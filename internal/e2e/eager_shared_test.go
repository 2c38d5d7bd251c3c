package e2e

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"sluice/queue"
	"sluice/workflows"
)

// begun is which process ran the first workflow task of an execution, and whether that came with the answer to the start.
func (s *stack) begun(id uuid.UUID) (identity string, eager bool) {
	s.t.Helper()
	history := s.client.GetWorkflowHistory(s.ctx, workflows.ExecutionID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(s.t, err)
		if started := event.GetWorkflowExecutionStartedEventAttributes(); started != nil {
			eager = started.GetEagerExecutionAccepted()
		}
		if first := event.GetWorkflowTaskCompletedEventAttributes(); first != nil {
			return first.GetIdentity(), eager
		}
	}
	require.FailNow(s.t, "it has not begun", "execution %s", id)
	return "", false
}

// Of two processes the one that dispatches takes its share of the first tasks with the answers to the starts, and leaves the
// others to the one that has time. Killed with executions in its hands, it loses none of them.
func TestTwoProcessesShareTheExecutionsOfAWorkspace(t *testing.T) {
	t.Parallel()
	const n = 40
	s := newStack(t)
	api := newEndpoint(t)
	api.limit = "10s"
	definitions := s.callingWorkspaces(api, 2*n)
	workers := map[string]*exec.Cmd{}
	for range 2 {
		worker, _ := s.process("")
		workers[processIdentity(worker.Process.Pid)] = worker
	}
	require.Eventually(t, func() bool { // both will be counted
		polled, err := s.client.DescribeTaskQueue(s.ctx, workflows.TaskQueueDefault, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		return err == nil && len(polled.GetPollers()) == len(workers)
	}, patience, 20*time.Millisecond)
	ids := s.enqueueEach(definitions, 1)
	s.dispatch(workflows.State{})
	s.called(api, ids) // so the workspace is hosted
	many, err := s.queue.EnqueueMany(s.ctx, slices.Repeat([]queue.Item{{WorkspaceID: definitions[0].WorkspaceID, DefinitionID: definitions[0].ID}}, n))
	require.NoError(t, err)
	for _, answer := range many {
		ids = append(ids, answer.QueueID)
	}
	s.called(api, ids)

	ran, eager, dispatches := map[string]int{}, 0, ""
	for _, id := range ids[1:] {
		identity, accepted := s.begun(id)
		require.Contains(t, workers, identity)
		ran[identity]++
		if accepted {
			eager++
			dispatches = identity
		}
	}
	require.Len(t, ran, len(workers), "both run some: %v", ran)
	require.NotEmpty(t, dispatches, "some came with the answer")
	batches := s.count(`SELECT count(DISTINCT claimed_at) FROM sluice.queue_items WHERE id = ANY ($1)`, ids[1:])
	require.LessOrEqual(t, eager, (n+batches)/len(workers), "no more than its share: %v", ran)

	ids = append(ids, s.enqueueEach(definitions, n/4)...)
	require.NoError(t, workers[dispatches].Process.Kill()) // some of them may be on their way to it
	killed, calls := time.Now(), map[uuid.UUID]int{}
	for _, id := range ids[:1+n] {
		calls[id] = api.callsOf(id)
	}
	api.open()
	s.completedOnce(ids)
	t.Logf("%v ran here and there, %d came with the answer; all done %s after the death", ran, eager, time.Since(killed).Round(100*time.Millisecond))
	for id, before := range calls {
		require.LessOrEqual(t, api.callsOf(id), before+1, "a call that died with its process is made once more")
	}
}

// called waits until each of these executions runs.
func (s *stack) called(api *endpoint, ids []uuid.UUID) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		return !slices.ContainsFunc(ids, func(id uuid.UUID) bool { return api.callsOf(id) == 0 })
	}, patience, 10*time.Millisecond)
}
