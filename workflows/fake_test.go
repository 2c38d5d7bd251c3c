package workflows

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// fakeQueue stands in for the activities: a queue in memory with the promises of the real one. Its mutex guards it; hooks are
// called without it.
type fakeQueue struct {
	sync.Mutex
	pending    int // items that could start
	slots      int // how many one plan takes
	claimed    int // claimed and not started
	started    int
	run        int64 // the turn with which its owner took the shard over
	owner      takeoverCall
	planned    int // by run; a claim takes it
	shards     int // zero: one
	retired    map[string]bool
	takeovers  []takeoverCall
	actions    []Action
	checks     []CapacityRequest
	waits      []AwaitRequest
	fail       map[string]int // how often an activity fails from now on
	onAwait    func()         // called when the dispatcher waits
	wakes      bool           // what is pending when it waits is claimed and started there
	onCheck    func()         // called once, before capacity is read
	onClaim    func()         // called once, after a claim and before its answer
	onTakeOver func()         // called once, after it and before its answer
	onRetire   func()         // called once, before it is decided
	onBegin    func()         // called once, before a dispatch
	onDispatch func(claimed int)
	leave      int  // how many starts get no answer, once
	lostClaim  bool // the next claim succeeds, but its answer is lost
	outcomes   []Outcome
}

// takeoverCall is a request to take the shard over.
type takeoverCall struct {
	run    string
	number int
}

func (f *fakeQueue) failing(name string) error {
	if f.fail[name] > 0 {
		f.fail[name]--
		return temporal.NewApplicationError(name+" is broken", "Broken")
	}
	return nil
}

// once calls a hook that is called once.
func (f *fakeQueue) once(hook *func()) {
	f.Lock()
	call := *hook
	*hook = nil
	f.Unlock()
	if call != nil {
		call()
	}
}

// takeOver is what the real one promises: a repeated call changes nothing.
func (f *fakeQueue) takeOver(c takeoverCall) int64 {
	if f.run == 0 || f.owner.run != c.run || f.owner.number < c.number {
		f.run, f.owner, f.planned = f.run+1, c, 0
	}
	return f.run
}

func (f *fakeQueue) fence(run int64) error {
	if run != f.run {
		return temporal.NewNonRetryableApplicationError("taken over", ErrorFenced, nil)
	}
	return nil
}

// room is how many items the next plan takes.
func (f *fakeQueue) room(batch int) int { return min(f.pending, f.slots, batch) }

func (f *fakeQueue) register(env *testsuite.TestWorkflowEnvironment) {
	add := func(name string, function any) {
		env.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
	add(ActivityTakeOver, func(_ context.Context, _ int, runID string, takeover int) (int64, error) {
		call := takeoverCall{runID, takeover}
		f.Lock()
		f.takeovers = append(f.takeovers, call)
		run, err := f.takeOver(call), f.failing(ActivityTakeOver)
		f.Unlock()
		f.once(&f.onTakeOver)
		return run, err
	})
	add(ActivityCheckCapacity, func(_ context.Context, r CapacityRequest) (CapacityReport, error) {
		f.once(&f.onCheck)
		f.Lock()
		defer f.Unlock()
		f.checks = append(f.checks, r)
		if err := f.fence(r.Run); err != nil {
			return CapacityReport{}, err
		}
		report := CapacityReport{Shards: max(1, f.shards), Unstarted: f.claimed, Items: f.room(r.BatchSize)}
		f.planned = report.Items
		if report.Items == 0 && f.pending > 0 {
			report.Waiting = map[string]int{"at-capacity": 1}
		}
		return report, f.failing(ActivityCheckCapacity)
	})
	add(ActivityRetire, func(_ context.Context, shard int, runID string) (bool, error) {
		f.once(&f.onRetire)
		f.Lock()
		defer f.Unlock()
		retired := shard >= f.shards
		if retired {
			f.retired = map[string]bool{runID: true}
		}
		return retired, f.failing(ActivityRetire)
	})
	add(ActivityClaimExecutions, func(_ context.Context, r ClaimRequest) (ClaimResult, error) {
		result, err := f.claim(r)
		f.once(&f.onClaim)
		return result, err
	})
	add(ActivityDispatchExecutions, func(_ context.Context, r DispatchRequest) (DispatchResult, error) {
		f.once(&f.onBegin)
		f.Lock()
		defer f.Unlock()
		if err := errors.Join(f.fence(r.Run), f.failing(ActivityDispatchExecutions)); err != nil {
			return DispatchResult{}, err
		}
		if f.onDispatch != nil {
			f.onDispatch(f.claimed)
		}
		left := min(f.leave, f.claimed)
		f.leave = 0
		n := f.claimed - left
		f.started += n
		f.claimed = left
		result := DispatchResult{Started: n, Left: left}
		if left > 0 {
			result.LastError = "no answer"
		}
		return result, nil
	})
	add(ActivityAwaitWork, func(_ context.Context, r AwaitRequest) (AwaitResult, error) {
		f.Lock()
		f.waits = append(f.waits, r)
		waiting := f.onAwait
		f.Unlock()
		if waiting != nil {
			waiting()
		}
		f.Lock()
		defer f.Unlock()
		n := f.room(r.BatchSize)
		if !f.wakes || r.Run != f.run || n == 0 {
			return AwaitResult{}, nil
		}
		f.pending -= n
		f.started += n
		return AwaitResult{Claimed: ClaimResult{New: n, Unstarted: n, Expired: 1}, Dispatched: &DispatchResult{Started: n}}, nil
	})
	add(ActivityLogAction, func(_ context.Context, a Action) error {
		f.Lock()
		defer f.Unlock()
		f.actions = append(f.actions, a)
		return nil
	})
	add(ActivityRecordOutcome, func(_ context.Context, o Outcome) error {
		f.Lock()
		defer f.Unlock()
		if err := f.failing(ActivityRecordOutcome); err != nil {
			return err
		}
		f.outcomes = append(f.outcomes, o)
		return nil
	})
}

// claim takes what was planned. A plan of another run, or from before a takeover, is gone.
func (f *fakeQueue) claim(r ClaimRequest) (ClaimResult, error) {
	f.Lock()
	defer f.Unlock()
	if err := f.failing(ActivityClaimExecutions); err != nil {
		return ClaimResult{}, err
	}
	n := 0
	if r.Run == f.run {
		n, f.planned = f.planned, 0
	}
	f.pending -= n
	f.claimed += n
	if f.lostClaim && n > 0 {
		f.lostClaim = false
		return ClaimResult{}, errors.New("connection lost after the commit")
	}
	return ClaimResult{New: n, Unstarted: f.claimed}, nil
}

func newEnv(t *testing.T, f *fakeQueue) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	return newEnvLogging(t, f, quiet{})
}

func newEnvLogging(t *testing.T, f *fakeQueue, logger log.Logger) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(logger)
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(2 * time.Minute)
	// Encoding a megabyte takes more than the second that is allowed by default, under the race detector on a busy machine.
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	RegisterDefault(env)
	RegisterWorkspace(env)
	f.register(env)
	return env
}

// updateThen sends an update and calls done with its answer.
func updateThen(env *testsuite.TestWorkflowEnvironment, name string, request any, done func(Status, error)) {
	env.UpdateWorkflow(name, uuid.NewString(), &testsuite.TestUpdateCallback{
		OnReject: func(err error) { done(Status{}, err) },
		OnAccept: func() {},
		OnComplete: func(answer any, err error) {
			status, _ := answer.(Status)
			done(status, err)
		},
	}, request)
}

// update sends an update from inside the test's workflow clock and returns its answer through the pointers.
func update(env *testsuite.TestWorkflowEnvironment, name string, request any, status *Status, refused *error) {
	updateThen(env, name, request, func(answer Status, err error) {
		if err != nil {
			*refused = err
		} else if status != nil {
			*status = answer
		}
	})
}

// nextState decodes the state that a continued run hands over; ok is false when the workflow ended otherwise.
func nextState(t *testing.T, err error) (State, bool) {
	t.Helper()
	var continued *workflow.ContinueAsNewError
	if !errors.As(err, &continued) {
		return State{}, false
	}
	require.Equal(t, TaskTimeout, continued.WorkflowTaskTimeout)
	var s State
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(continued.Input, &s))
	return s, true
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// errorLog keeps what is logged as an error.
type errorLog struct {
	quiet
	said []string
}

func (l *errorLog) Error(message string, _ ...any) { l.said = append(l.said, message) }
