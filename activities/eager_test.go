package activities

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/testsuite"

	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/workflows"
)

// shares returns what share says inside an activity, one after the other, with so long between them.
func shares(t *testing.T, e *eager, n int, between time.Duration) (all []int) {
	t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	act := func(ctx context.Context) error {
		for range n {
			all = append(all, e.share(ctx, 2))
			e.counting.Lock()
			e.counted = e.counted.Add(-between)
			e.counting.Unlock()
		}
		return nil
	}
	env.RegisterActivity(act)
	_, err := env.ExecuteActivity(act)
	require.NoError(t, err)
	return all
}

func pollers(identities ...string) *workflowservice.DescribeTaskQueueResponse {
	polled := &workflowservice.DescribeTaskQueueResponse{}
	for _, id := range identities {
		polled.Pollers = append(polled.Pollers, &taskqueuepb.PollerInfo{Identity: id})
	}
	return polled
}

func TestTheShareIsOneOfTheWorkersThatPollAndIsAskedForNowAndThen(t *testing.T) {
	t.Parallel()
	temporal := &mocks.Client{}
	describe := func() *mock.Call {
		return temporal.On("DescribeTaskQueue", mock.Anything, workflows.TaskQueueDefault, mock.Anything)
	}
	describe().Return(nil, errors.New("away")).Once()
	describe().Return(pollers("a", "b", "a", "c"), nil).Once()
	describe().Return(nil, errors.New("away")).Once()
	describe().Return(pollers(), nil).Once()
	e := &eager{client: temporal}
	require.Equal(t, []int{1, 3, 3, 1}, shares(t, e, 4, countEvery), "what cannot be told stays")
	require.Equal(t, []int{1, 1, 1}, shares(t, &eager{client: temporal, workers: 1, counted: time.Now().Add(time.Hour)}, 3, 0))
	require.Equal(t, 1, (&eager{client: temporal}).share(t.Context(), 1), "a single start needs no count")
	temporal.AssertNumberOfCalls(t, "DescribeTaskQueue", 4)
}

func TestOneStartOfEachShareIsThisProcessesOwn(t *testing.T) {
	t.Parallel()
	for share, want := range map[int][]int{1: {0, 1, 2, 3, 4, 5, 6}, 3: {0, 3, 6}, 50: {0}} {
		var mu sync.Mutex
		var own []int
		list := executions(7)
		start := func(_ context.Context, x dispatch.Execution, mine bool) (string, *store.FailedStart, error) {
			mu.Lock()
			defer mu.Unlock()
			if mine {
				own = append(own, slices.IndexFunc(list, func(o dispatch.Execution) bool { return o.ID == x.ID }))
			}
			return "run", nil, nil
		}
		l := newLauncher(1, start, func(context.Context, []store.Started) error { return nil }, func(context.Context, []store.Unanswered) {}, func() {}, &sync.WaitGroup{})
		require.NoError(t, l.launch(t.Context(), list, map[uuid.UUID]bool{}, 2, share))
		l.flying.Wait()
		slices.Sort(own)
		require.Equal(t, want, own, "share "+strconv.Itoa(share))
	}
}

// A worker that is about to stop its workspaces' workers must not get a first task that none of them would run.
func TestLeaveWaitsForFirstTasksOnTheirWayAndAsksForNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		var asked []bool
		temporal := &mocks.Client{}
		run := &mocks.WorkflowRun{}
		run.On("GetRunID").Return("run")
		temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
			asked = append(asked, args.Get(1).(client.StartWorkflowOptions).EnableEagerStart)
			<-answer
		}).Return(run, nil)
		a := New(Config{Client: temporal})
		var starts sync.WaitGroup
		starts.Go(func() { _, _, _ = a.start(t.Context(), execution(), true) })
		synctest.Wait()
		left := make(chan struct{})
		go func() { a.Leave(); close(left) }()
		synctest.Wait()
		select {
		case <-left:
			t.Fatal("left while a first task was on its way")
		default:
		}
		starts.Go(func() { _, _, _ = a.start(t.Context(), execution(), true) })
		synctest.Wait()
		close(answer)
		starts.Wait()
		<-left
		require.Equal(t, []bool{true, false}, asked)
	})
}
