package activities

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/workflows"
)

// executions are n of one workspace.
func executions(n int) []dispatch.Execution {
	list := make([]dispatch.Execution, n)
	for i := range list {
		list[i] = execution()
		list[i].ID = uuid.New()
	}
	return list
}

func TestOneStartWithoutAnAnswerDelaysNoOther(t *testing.T) {
	t.Parallel()
	busy := serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "busy")
	for _, parallelism := range []int{1, 8} {
		var asked atomic.Int64
		temporal := &mocks.Client{}
		run := &mocks.WorkflowRun{}
		run.On("GetRunID").Return("run")
		count := func(mock.Arguments) { asked.Add(1) }
		list := executions(30) // fewer than are settled at once
		bad := list[10].ID
		is := func(id uuid.UUID) any {
			return mock.MatchedBy(func(o client.StartWorkflowOptions) bool { return o.ID == "execution-"+id.String() })
		}
		temporal.On("ExecuteWorkflow", mock.Anything, is(bad), mock.Anything, mock.Anything).Run(count).Return(nil, busy)
		temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Run(count).Return(run, nil)
		r := newRunway()
		l := newLauncher(1, New(Config{Client: temporal}).start, r.settle, r.setAside, r.doubt, &sync.WaitGroup{})
		l.begin()
		require.NoError(t, l.launch(t.Context(), list, nil, parallelism, 1))
		l.flying.Wait() // nor are the last ones under way any more
		b := l.end(t.Context())
		l.flying.Wait()
		require.Len(t, b.unanswered, 1)
		require.True(t, b.unanswered[0].Aside, "others have got answers")
		require.Equal(t, bad, b.unanswered[0].ExecutionID)
		require.Len(t, list, b.started+b.left+1, "each has its verdict")
		if parallelism == 1 {
			require.EqualValues(t, 11, asked.Load(), "of one at a time the rest is left to the next dispatch")
		} else {
			require.Zero(t, b.left)
			require.Equal(t, map[uuid.UUID]int{bad: -1}, r.settledBut(list), "the others are settled, and it is not")
		}
		require.Empty(t, b.failed, "no attempt is counted")
		require.Contains(t, b.lastError, "busy")
	}
}

func TestEachWorkspaceIsHostedOnce(t *testing.T) {
	t.Parallel()
	hosted := 0
	New(Config{EnsureWorkspace: func(uuid.UUID, string) { hosted++ }}).host(executions(5))
	require.Equal(t, 1, hosted)
}

// A workflow of one's own needs the workspace's task queue only if it runs there, and then with its type.
func TestWhatRunsOnOtherTaskQueuesIsNotHosted(t *testing.T) {
	t.Parallel()
	all := executions(4)
	for i, taskQueue := range []string{"orders", workflows.WorkspaceTaskQueue(all[1].WorkspaceID), workflows.WorkspaceTaskQueue(uuid.New())} {
		all[i].Workflow = &store.Workflow{Type: "SendInvoice", TaskQueue: taskQueue}
	}
	var hosted []string
	New(Config{EnsureWorkspace: func(_ uuid.UUID, workflowType string) { hosted = append(hosted, workflowType) }}).host(all)
	require.Equal(t, []string{"SendInvoice", ""}, hosted)
}

func TestALauncherIsOneRunsAndALateStepOfAnEarlierRunGetsAnother(t *testing.T) {
	t.Parallel()
	a := New(Config{})
	first := a.launcher(0, 10)
	require.Same(t, first, a.launcher(0, 10))
	require.NotSame(t, first, a.launcher(1, 10), "of another shard")
	second := a.launcher(0, 11)
	require.NotSame(t, first, second)
	late := a.launcher(0, 10)
	require.NotSame(t, first, late)
	require.Same(t, second, a.launcher(0, 11))
}

func TestWhatCannotStartIsNotAskedFor(t *testing.T) {
	t.Parallel()
	x := execution()
	x.DefinitionName = nil
	_, failed, err := New(Config{Client: &mocks.Client{}}).start(context.Background(), x, true) // the mock refuses any call
	require.NoError(t, err)
	require.Equal(t, &store.FailedStart{Reason: reasonDefinitionGone, Error: "workflow definition " + x.DefinitionID.String() + " no longer exists in this workspace", Permanent: true}, failed)
}
