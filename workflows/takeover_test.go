package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
)

// The activity goes on for a while when the dispatcher has stopped waiting for it.
func TestPauseAndStopOvertakeTheWaitBeforeTheyAreAnswered(t *testing.T) {
	t.Parallel()
	for _, stops := range []bool{false, true} {
		f := &fakeQueue{slots: 5, wakes: true}
		env := newEnv(t, f)
		var answer Status
		var refused error
		f.onAwait = func() {
			answered := make(chan struct{})
			done := func(s Status, err error) {
				answer, refused = s, err
				f.Lock()
				f.pending = 5
				f.Unlock()
				close(answered)
			}
			if stops {
				updateThen(env, UpdateStop, stopRequest, done)
			} else {
				updateThen(env, UpdatePause, PauseRequest{Actor: "ann"}, done)
			}
			<-answered
		}
		if !stops {
			env.RegisterDelayedCallback(func() { update(env, UpdateStop, stopRequest, nil, &refused) }, time.Hour)
		}
		env.ExecuteWorkflow(DispatcherType, State{})
		require.NoError(t, env.GetWorkflowError())
		require.NoError(t, refused)
		require.Len(t, f.waits, 1)
		require.Greater(t, answer.Run, f.waits[0].Run)
		require.Equal(t, []int{0, 1}, numbers(f.takeovers[:2]), "the same run, under a higher number")
		require.Zero(t, f.started, "what came after the answer is not claimed")
		require.Equal(t, 5, f.pending)
	}
}

// Under load a message arrives while the loop yields, with nothing planned yet.
func TestNothingIsClaimedOnceAPauseIsAnswered(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5}
	env := newEnv(t, f)
	var refused error
	f.onCheck = func() { update(env, UpdatePause, PauseRequest{Actor: "ann"}, nil, &refused) }
	env.RegisterDelayedCallback(func() {
		require.Equal(t, 5, f.pending)
		update(env, UpdateStop, stopRequest, nil, &refused)
	}, time.Hour)
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, refused)
	require.Zero(t, f.started)
	require.Equal(t, 5, f.pending)
}

func TestAStepThatIsFencedByItsOwnRunIsNoError(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5}
	env := newEnv(t, f)
	var refused error
	var status Status
	f.onCheck = func() { // it looks when the pause has been answered
		answered := make(chan struct{})
		updateThen(env, UpdatePause, PauseRequest{Actor: "ann"}, func(_ Status, err error) {
			refused = err
			close(answered)
		})
		<-answered
	}
	env.RegisterDelayedCallback(func() {
		update(env, UpdateResume, ResumeRequest{Actor: "ann"}, nil, &refused)
	}, time.Hour)
	f.onAwait = func() { update(env, UpdateStop, stopRequest, &status, &refused) }
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, refused)
	require.Less(t, f.checks[0].Run, f.checks[1].Run, "the first look was fenced")
	require.Empty(t, status.LastError)
	require.Equal(t, 5, f.started, "resumed it goes on as the owner that it is")
}

// A pause takes the shard over when a claim has committed, and is answered when what was claimed is being started.
func TestWhatWasClaimedBeforeAPauseIsStarted(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 8, slots: 5}
	env := newEnv(t, f)
	var refused error
	f.onClaim = func() {
		taken, begun := make(chan struct{}), make(chan struct{})
		f.Lock()
		f.onTakeOver = func() {
			close(taken)
			<-begun
		}
		f.onBegin = func() { close(begun) }
		f.Unlock()
		update(env, UpdatePause, PauseRequest{Actor: "ann"}, nil, &refused)
		<-taken
	}
	env.RegisterDelayedCallback(func() {
		require.Equal(t, 5, f.started)
		update(env, UpdateStop, stopRequest, nil, &refused)
	}, time.Hour)
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, refused)
	require.Equal(t, []int{0, 1, 1, 2}, numbers(f.takeovers))
	require.Equal(t, 3, f.pending, "and no more is claimed")
}

func TestWhatIsDoneInAWaitIsCounted(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{slots: 5, wakes: true}
	env := newEnv(t, f)
	var status Status
	var refused error
	f.onAwait = func() {
		f.Lock()
		first := len(f.waits) == 1
		if first {
			f.pending = 5
		}
		f.Unlock()
		if !first {
			update(env, UpdateStop, stopRequest, &status, &refused)
		}
	}
	env.ExecuteWorkflow(DispatcherType, State{Tunables: Tunables{BatchSize: 5}})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, refused)
	require.Equal(t, 5, f.started)
	require.Equal(t, Totals{Claimed: 5, Started: 5, Expired: 1}, status.Totals)
	require.NotNil(t, status.LastWork)
	require.Equal(t, int64(4), status.Cycle, "a wait is a cycle of its own")
	require.Equal(t, AwaitRequest{Run: 1, BatchSize: 5, Poll: DefaultPollInterval, Parallelism: DefaultParallelism, Retry: StartRetry{}.WithDefaults()}, f.waits[0])
}

func TestAFencedRunTakesTheShardOverAgain(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 2, slots: 5}
	env := newEnv(t, f)
	var refused error
	env.RegisterDelayedCallback(func() {
		f.Lock()
		defer f.Unlock()
		f.takeOver(takeoverCall{run: "a late step of an earlier run"})
		f.pending += 2
	}, time.Millisecond)
	f.onAwait = func() {
		f.Lock()
		done := f.started == 4
		f.Unlock()
		if done {
			update(env, UpdateStop, stopRequest, nil, &refused)
		}
	}
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 4, f.started)
}

// Each of two dispatchers takes the shard over in its turn, and gets some of its work done.
func TestTwoDispatchersOnOneDatabaseEndLoudly(t *testing.T) {
	t.Parallel()
	f, logged := &fakeQueue{pending: 1000, slots: 1}, &errorLog{}
	env := newEnvLogging(t, f, logged)
	cycles := 0
	f.onDispatch = func(int) {
		if cycles++; cycles%2 == 0 {
			f.takeOver(takeoverCall{run: "of another namespace"})
		}
	}
	env.ExecuteWorkflow(DispatcherType, State{})
	var refused *temporal.ApplicationError
	require.ErrorAs(t, env.GetWorkflowError(), &refused)
	require.Equal(t, ErrorFenced, refused.Type())
	require.ErrorContains(t, refused, "another dispatcher")
	require.Equal(t, 2*maxFenced, cycles)
	require.Len(t, logged.said, 1)
	require.Contains(t, logged.said[0], "nothing of its shard is started any more")
}

func TestADispatcherThatIsFencedNowAndThenGoesOn(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	var refused error
	var status Status
	f.onAwait = func() { update(env, UpdatePause, PauseRequest{Actor: "ann"}, nil, &refused) }
	for n := range 2 * maxFenced {
		env.RegisterDelayedCallback(func() {
			f.Lock()
			f.takeOver(takeoverCall{run: "a late step of an earlier run"})
			f.Unlock()
			update(env, UpdateResume, ResumeRequest{Actor: "ann"}, nil, &refused)
		}, time.Duration(n+1)*2*fencedWithin)
	}
	env.RegisterDelayedCallback(func() { update(env, UpdateStop, stopRequest, &status, &refused) }, (4*maxFenced+2)*fencedWithin)
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, refused)
	require.Contains(t, status.LastError, "taken over")
	require.Len(t, f.waits, 2*maxFenced+1, "each time it has come to its next wait")
}

func numbers(calls []takeoverCall) (all []int) {
	for _, c := range calls {
		all = append(all, c.number)
	}
	return all
}
