package e2e

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// With one worker, every first task comes with the answer to the start, once the workspace is hosted.
func TestTheOnlyWorkerGetsFirstTasksWithTheAnswerToTheStart(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(func(*host.Config) {})
	s.dispatch(workflows.State{})
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})
	accepted := func(id uuid.UUID) bool {
		s.await(id, workflows.StatusCompleted)
		history := s.client.GetWorkflowHistory(s.ctx, workflows.ExecutionID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		first, err := history.Next()
		require.NoError(t, err)
		return first.GetWorkflowExecutionStartedEventAttributes().GetEagerExecutionAccepted()
	}
	one := func() uuid.UUID {
		return s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID, EnqueuedBy: "shop"})
	}
	accepted(one()) // its worker may start meanwhile
	require.True(t, accepted(one()))
	var batch []uuid.UUID
	for range 10 {
		batch = append(batch, one())
	}
	for _, id := range batch {
		require.True(t, accepted(id))
	}
}
