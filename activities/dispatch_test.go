package activities

import (
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"sluice/queue"
)

// claims are n of one workspace.
func claims(n int) []queue.Claim {
	list := make([]queue.Claim, n)
	for i := range list {
		list[i] = claim()
		list[i].ExecutionID = uuid.New()
	}
	return list
}

func TestABatchStopsAtTheFirstStartWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	busy := serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "busy")
	for _, parallelism := range []int{1, 8} {
		var asked atomic.Int64
		temporal := &mocks.Client{}
		run := &mocks.WorkflowRun{}
		run.On("GetRunID").Return("run")
		count := func(mock.Arguments) { asked.Add(1) }
		list := claims(30) // fewer than are settled at once
		bad := list[10].ExecutionID
		is := func(id uuid.UUID) any {
			return mock.MatchedBy(func(o client.StartWorkflowOptions) bool { return o.ID == "execution-"+id.String() })
		}
		temporal.On("ExecuteWorkflow", mock.Anything, is(bad), mock.Anything, mock.Anything).Run(count).Return(nil, busy)
		temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Run(count).Return(run, nil)
		l := New(Config{Client: temporal}).launcher(0, 1)
		l.begin(queue.Fence{Epoch: 1, Dispatch: 1})
		require.NoError(t, l.launch(t.Context(), list, nil, parallelism, 1))
		l.flying.Wait()
		b := l.end()
		if parallelism == 1 {
			require.Len(t, b.unsettled, 10)
			require.EqualValues(t, 11, asked.Load(), "who is busy is not asked for the rest")
			require.Equal(t, queue.Started{ExecutionID: list[0].ExecutionID, RunID: "run"}, b.unsettled[0])
		}
		require.Len(t, list, b.started+b.left, "each has its verdict")
		require.Positive(t, b.left)
		require.Empty(t, b.failed, "no attempt is counted")
		require.Contains(t, b.lastError, "busy")
	}
}

func TestEachWorkspaceIsHostedOnce(t *testing.T) {
	t.Parallel()
	hosted := 0
	New(Config{EnsureWorkspace: func(uuid.UUID) { hosted++ }}).host(claims(5))
	require.Equal(t, 1, hosted)
}
