package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
)

const anything = mock.Anything

var stopRequest = StopRequest{Actor: "test", Reason: "end of test"}

// drain runs the dispatcher across continue-as-new until it stops itself, which it is told when it parks idle.
func drain(t *testing.T, f *fakeQueue, state State) State {
	t.Helper()
	for range 200 {
		env := newEnv(t, f)
		var refused error
		f.onAwait = func() {
			update(env, UpdateStop, stopRequest, nil, &refused)
		}
		env.ExecuteWorkflow(DispatcherType, state)
		require.True(t, env.IsWorkflowCompleted())
		require.NoError(t, refused)
		next, continued := nextState(t, env.GetWorkflowError())
		if !continued {
			require.NoError(t, env.GetWorkflowError())
			return state
		}
		state = next
	}
	t.Fatal("the dispatcher continued as new 200 times without an end")
	return state
}

func TestEverythingStartsOnceAcrossContinueAsNew(t *testing.T) {
	t.Parallel()
	for _, every := range []int64{1, 2, 3, 5, 7, 11, 1000} {
		f := &fakeQueue{pending: 50, slots: 3}
		state := drain(t, f, State{ContinueEvery: every, Tunables: Tunables{BatchSize: 2}})
		require.Equal(t, 50, f.started, "continue every %d", every)
		require.Zero(t, f.claimed)
		if every < 1000 {
			require.NotEmpty(t, f.runs)
			require.Equal(t, 2, state.Tunables.BatchSize, "tunables survive")
			require.Positive(t, state.Totals.Started, "totals survive")
		}
	}
}

func TestEachRunOpensItsOwnEpoch(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 10, slots: 1}
	drain(t, f, State{ContinueEvery: 2})
	require.Equal(t, int64(len(f.runs)), f.epoch)
	require.Greater(t, len(f.runs), 3)
}

func TestIdleSpinsOnceThenParks(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	drain(t, f, State{})
	require.Len(t, f.parks, 1)
	require.Equal(t, "mark", f.parks[0].Mark, "it waits from the moment capacity was read")
	require.Equal(t, DefaultPollInterval, f.parks[0].Poll)
}

func TestAFullWorkspaceParksWithItsReason(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 0}
	env := newEnv(t, f)
	var status Status
	var refused error
	f.onAwait = func() {
		update(env, UpdateStop, stopRequest, &status, &refused)
	}
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, map[string]int{"at-capacity": 1}, status.Waiting)
	require.Zero(t, f.started)
}

func TestPauseStopsAdmissionUntilResume(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{slots: 10}
	env := newEnv(t, f)
	var paused, resumed Status
	var refused, twice, tooEarly error
	env.RegisterDelayedCallback(func() { update(env, UpdateResume, ResumeRequest{Actor: "ann"}, nil, &tooEarly) }, time.Millisecond)
	env.RegisterDelayedCallback(func() {
		update(env, UpdatePause, PauseRequest{Actor: "ann", Reason: "deploy"}, &paused, &refused)
		update(env, UpdatePause, PauseRequest{Actor: "bob"}, nil, &twice)
		f.Lock()
		f.pending = 7
		f.Unlock()
	}, 10*time.Millisecond)
	env.RegisterDelayedCallback(func() {
		require.Zero(t, f.started, "nothing starts while paused")
		answer, err := env.QueryWorkflow(QueryStatus)
		require.NoError(t, err)
		var s Status
		require.NoError(t, answer.Get(&s))
		require.Equal(t, PhasePaused, s.Phase)
		update(env, UpdateResume, ResumeRequest{Actor: "ann"}, &resumed, &refused)
	}, time.Hour)
	// While the workflow's clock is held by a regular activity nothing else happens, so the wait ends by itself.
	f.onAwait = func() {
		f.Lock()
		done := f.started == 7
		f.Unlock()
		if done {
			update(env, UpdateStop, stopRequest, nil, &refused)
		}
	}
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, refused)
	require.ErrorContains(t, tooEarly, "not paused")
	require.ErrorContains(t, twice, "already paused by ann")
	require.Equal(t, "deploy", paused.Pause.Reason)
	require.Nil(t, resumed.Pause)
	require.Equal(t, 7, f.started)
	require.Equal(t, []string{"dispatcher-pause", "dispatcher-resume", "dispatcher-stop"}, actionNames(f.actions))
}

// Under load a message arrives while the loop yields, with capacity read and nothing claimed yet.
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

func TestWhatWakesAParkedDispatcherIsClaimedInACycleOfItsOwn(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{slots: 3, wakes: true}
	env := newEnv(t, f)
	var status Status
	var refused error
	f.onAwait = func() {
		f.Lock()
		first := len(f.parks) == 1
		if first {
			f.pending = 5
		}
		f.Unlock()
		if !first {
			update(env, UpdateStop, stopRequest, &status, &refused)
		}
	}
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, refused)
	require.Equal(t, 5, f.started)
	require.Equal(t, Totals{Claimed: 5, Started: 5}, status.Totals)
	require.NotNil(t, status.LastWork)
	require.Equal(t, int64(2), f.parks[0].Cycle.Cycle, "the cycle after the one that found nothing")
	require.Equal(t, int64(5), f.parks[1].Cycle.Cycle, "3 takes the rest, 4 finds nothing")
}

// The parked step goes on for a while when the dispatcher has stopped waiting for it.
func TestAParkedCycleClaimsNothingOnceAMessageIsAnswered(t *testing.T) {
	t.Parallel()
	for _, stops := range []bool{false, true} {
		f := &fakeQueue{}
		env := newEnv(t, f)
		passed := make(chan bool, 1)
		f.onAwait = func() {
			callback := &testsuite.TestUpdateCallback{OnReject: func(error) { passed <- false }, OnAccept: func() {}, OnComplete: func(_ any, err error) {
				f.Lock()
				defer f.Unlock()
				passed <- err == nil && f.accepted == f.parks[0].Cycle.Cycle
			}}
			if stops {
				env.UpdateWorkflow(UpdateStop, "stop", callback, stopRequest)
			} else {
				env.UpdateWorkflow(UpdatePause, "pause", callback, PauseRequest{Actor: "ann"})
			}
		}
		var refused error
		env.RegisterDelayedCallback(func() { update(env, UpdateStop, stopRequest, nil, &refused) }, time.Hour)
		env.ExecuteWorkflow(DispatcherType, State{})
		require.NoError(t, env.GetWorkflowError())
		require.True(t, <-passed, "its cycle is passed before the answer")
		require.Len(t, f.parks, 1)
	}
}

func TestConfigureIsCheckedAndHolds(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	size, poll, spin, none := 7, Duration(3*time.Second), Duration(100*time.Millisecond), 0
	tooLong := Duration(time.Hour)
	var status Status
	tooMuch := 101
	var refused, badSize, badSpin, badBackoff, badJitter, nothing, nobody error
	f.onAwait = func() {
		f.Lock()
		first := len(f.parks) == 1
		f.Unlock()
		if !first {
			update(env, UpdateStop, stopRequest, nil, &refused)
			return
		}
		update(env, UpdateConfigure, ConfigureRequest{Actor: "ann", BatchSize: &none}, nil, &badSize)
		update(env, UpdateConfigure, ConfigureRequest{Actor: "ann", Spin: &tooLong}, nil, &badSpin)
		update(env, UpdateConfigure, ConfigureRequest{Actor: "ann"}, nil, &nothing)
		update(env, UpdateConfigure, ConfigureRequest{BatchSize: &size}, nil, &nobody)
		update(env, UpdateConfigure, ConfigureRequest{Actor: "ann", BatchSize: &size, PollInterval: &poll, Spin: &spin, StartAttempts: &size}, &status, &refused)
		update(env, UpdateConfigure, ConfigureRequest{Actor: "ann", StartMaxBackoff: &spin}, nil, &badBackoff)
		update(env, UpdateConfigure, ConfigureRequest{Actor: "ann", StartJitter: &tooMuch}, nil, &badJitter)
	}
	env.ExecuteWorkflow(DispatcherType, State{})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, refused)
	require.ErrorContains(t, badSize, "batch size must be 1 to 1000, not 0")
	require.ErrorContains(t, badSpin, "spin must be")
	require.ErrorContains(t, nothing, "nothing to change")
	require.ErrorContains(t, nobody, "actor is missing")
	require.ErrorContains(t, badBackoff, "maximum start backoff must be at least the backoff, 2s")
	require.ErrorContains(t, badJitter, "start jitter must be 1 to 100 percent, not 101")
	require.Equal(t, Tunables{BatchSize: 7, PollInterval: poll, Spin: spin, Parallelism: DefaultParallelism,
		StartRetry: StartRetry{Attempts: 7, Backoff: DefaultStartBackoff, MaxBackoff: DefaultStartMaxBackoff, Jitter: DefaultStartJitter}}, status.Tunables)
	require.Equal(t, poll, f.parks[1].Poll, "the next wait uses it")
}

func TestAFailingStepIsNotedAndTriedAgain(t *testing.T) {
	t.Parallel()
	for _, step := range []string{ActivityOpenEpoch, ActivityCheckCapacity, ActivityClaimExecutions, ActivityDispatchExecutions} {
		f := &fakeQueue{pending: 5, slots: 5, fail: map[string]int{step: 7}}
		env := newEnv(t, f)
		var status Status
		var refused error
		f.onAwait = func() {
			update(env, UpdateStop, stopRequest, &status, &refused)
		}
		env.ExecuteWorkflow(DispatcherType, State{})
		require.NoError(t, env.GetWorkflowError(), step)
		require.Equal(t, 5, f.started, step)
		require.Contains(t, status.LastError, step+" is broken")
	}
}

// The claim's transaction is committed and its answer lost: the step runs again, claims nothing twice, and what the
// first one claimed is dispatched.
func TestAClaimWhoseAnswerIsLostIsTakenUp(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5, lostClaim: true}
	drain(t, f, State{})
	require.Equal(t, 5, f.started)
	require.Zero(t, f.pending)
}

// A run that replays from before cycles which were already accepted catches up without waiting for each.
func TestARepeatedCycleGoesOnWhereTheRecordWasLost(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5, accepted: 40, claimed: 2}
	env := newEnv(t, f)
	var status Status
	var refused error
	f.onAwait = func() {
		update(env, UpdateStop, stopRequest, &status, &refused)
	}
	env.ExecuteWorkflow(DispatcherType, State{Cycle: 10})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 7, f.started)
	require.Equal(t, int64(43), status.Cycle, "41 claims the rest, 42 finds nothing, 43 is parked")
}

func TestClaimsLeftByAnUnreachableServerAreRetried(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5, leave: 3}
	drain(t, f, State{})
	require.Equal(t, 5, f.started)
	require.Zero(t, f.claimed)
}

func TestAFencedRunOpensANewEpoch(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 2, slots: 5}
	env := newEnv(t, f)
	var refused error
	env.RegisterDelayedCallback(func() {
		f.Lock()
		defer f.Unlock()
		f.epoch++ // a late step of an earlier run
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

func TestTwoDispatchersOnOneDatabaseEndLoudly(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 1, slots: 1}
	env := newEnv(t, f)
	env.OnActivity(ActivityOpenEpoch, anything, anything, anything).Return(int64(-1), nil)
	env.ExecuteWorkflow(DispatcherType, State{})
	var refused *temporal.ApplicationError
	require.ErrorAs(t, env.GetWorkflowError(), &refused)
	require.Equal(t, ErrorFenced, refused.Type())
	require.ErrorContains(t, refused, "another dispatcher")
}

func TestCancellationEndsTheLoopAfterTheCycle(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5}
	env := newEnv(t, f)
	f.onAwait = env.CancelWorkflow
	env.ExecuteWorkflow(DispatcherType, State{})
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()))
	require.Equal(t, 5, f.started)
}

func TestDetailsShowTheStateAsMarkdown(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := dispatcher{phase: PhaseParked, epoch: 3, State: State{Cycle: 12, Pause: &Pause{Actor: "ann", Reason: "deploy", Since: since},
		Totals: Totals{Started: 5}, Waiting: map[string]int{"scheduled": 2, "at-capacity": 1}, LastError: "boom", LastErrorAt: &since,
		Batch: 16, Tunables: Tunables{}.WithDefaults()}}
	require.Equal(t, `### Dispatcher: paused

| | |
|---|---|
| paused | by ann since 2026-01-02 03:04:05: deploy |
| cycle | 12 |
| epoch | 3 |
| started | 5 |
| requeued / failed / expired | 0 / 0 / 0 |
| workspaces waiting: at-capacity | 1 |
| workspaces waiting: scheduled | 2 |
| last error | 2026-01-02 03:04:05: `+"`boom`"+` |
| batch size / parallelism | 128 / 32 |
| batch size at present | 16: Temporal did not take more |
| spin / poll interval | 1s / 1s |
| failed starts | 3 attempts, backoff 2s to 5m0s, jitter 20 % |
`, d.details())
}

func actionNames(actions []Action) []string {
	var names []string
	for _, a := range actions {
		names = append(names, a.Action)
	}
	return names
}
