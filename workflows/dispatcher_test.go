package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
)

var stopRequest = StopRequest{Actor: "test", Reason: "end of test"}

// drain runs the dispatcher across continue-as-new until it stops itself, which it is told when it waits with nothing to do.
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
			require.NotEmpty(t, f.takeovers)
			require.Equal(t, 2, state.Tunables.BatchSize, "tunables survive")
			require.Positive(t, state.Totals.Started, "totals survive")
		}
	}
}

func TestEachRunTakesItsShardOverOnce(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 10, slots: 1}
	drain(t, f, State{ContinueEvery: 2}) // two cycles for two items, and a last run that finds nothing
	require.Equal(t, []int{0, 0, 0, 0, 0, 0, 1}, numbers(f.takeovers), "and the last one again when it is told to stop")
}

func TestIdleSpinsOnceThenWaits(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	drain(t, f, State{})
	require.Len(t, f.checks, 1)
	require.Equal(t, DefaultSpin, f.checks[0].Spin)
	require.Len(t, f.waits, 1)
	require.Equal(t, f.checks[0].Run, f.waits[0].Run, "it may go on for the run that waits")
	require.Equal(t, DefaultPollInterval, f.waits[0].Poll)
}

// Messages wait for the end of the workflow task, so the loop leaves it once a second; the look that comes then must not last.
func TestTheLookWithWhichTheLoopYieldsDoesNotSpin(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 12, slots: 1, fail: map[string]int{}}
	f.onDispatch = func(int) { f.fail[ActivityClaimExecutions] = 2 } // and its retries take 250 ms
	drain(t, f, State{})
	require.Equal(t, 12, f.started)
	var spins []Duration
	for _, check := range f.checks {
		spins = append(spins, check.Spin)
	}
	s := DefaultSpin
	require.Equal(t, []Duration{s, s, s, s, s, 0, s, s, s, 0, s, s, s}, spins)
}

func TestAFullWorkspaceWaitsWithItsReason(t *testing.T) {
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
		first := len(f.waits) == 1
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
	require.Equal(t, poll, f.waits[1].Poll, "the next wait uses it")
}

func TestAFailingStepIsNotedAndTriedAgain(t *testing.T) {
	t.Parallel()
	for _, step := range []string{ActivityTakeOver, ActivityCheckCapacity, ActivityClaimExecutions, ActivityDispatchExecutions} {
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

func TestWhatAnEarlierRunHasClaimedIsStartedThoughNothingIsPlanned(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{claimed: 2}
	drain(t, f, State{})
	require.Equal(t, 2, f.started)
}

func TestClaimsLeftByAnUnreachableServerAreRetried(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5, leave: 3}
	drain(t, f, State{})
	require.Equal(t, 5, f.started)
	require.Zero(t, f.claimed)
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
	d := dispatcher{phase: PhaseWaiting, run: 3, State: State{Cycle: 12, Pause: &Pause{Actor: "ann", Reason: "deploy", Since: since},
		Totals: Totals{Started: 5}, Waiting: map[string]int{"scheduled": 2, "at-capacity": 1}, LastError: "boom", LastErrorAt: &since,
		Batch: 16, Tunables: Tunables{}.WithDefaults()}}
	require.Equal(t, `### Dispatcher: paused

| | |
|---|---|
| paused | by ann since 2026-01-02 03:04:05: deploy |
| cycle | 12 |
| run since turn | 3 |
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
