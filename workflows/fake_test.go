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
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// fakeQueue stands in for the activities: a queue in memory with the promises of the real one. Its mutex guards it.
type fakeQueue struct {
	sync.Mutex
	pending    int // items that could start
	slots      int // how many one cycle is granted
	claimed    int // claimed and not dispatched
	started    int
	accepted   int64 // newest cycle
	epoch      int64
	shards     int // as stored; zero: an earlier version's activities do not tell
	retired    map[string]bool
	runs       []string
	actions    []Action
	parks      []AwaitRequest
	spins      int
	fail       map[string]int // how often an activity fails from now on
	onAwait    func()         // called when the dispatcher parks
	wakes      bool           // whatever is pending then is claimed and started in the parked cycle
	onCheck    func()         // called once, while capacity is read
	onRetire   func()         // called once, before it is decided
	onDispatch func(claimed int)
	leave      int  // how many starts get no answer, once
	lostClaim  bool // the next claim succeeds, but its answer is lost
	outcomes   []Outcome
}

var workspaceOne = uuid.MustParse("00000000-0000-0000-0000-000000000001")

func (f *fakeQueue) failing(name string) error {
	if f.fail[name] > 0 {
		f.fail[name]--
		return temporal.NewApplicationError(name+" is broken", "Broken")
	}
	return nil
}

func (f *fakeQueue) register(env *testsuite.TestWorkflowEnvironment) {
	add := func(name string, function any) {
		env.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
	add(ActivityOpenEpoch, func(_ context.Context, _ int, runID string) (int64, error) {
		f.Lock()
		defer f.Unlock()
		f.epoch++
		f.runs = append(f.runs, runID)
		return f.epoch, f.failing(ActivityOpenEpoch)
	})
	add(ActivityCheckCapacity, func(_ context.Context, r CapacityRequest) (CapacityReport, error) {
		f.Lock()
		defer f.Unlock()
		if f.onCheck != nil {
			f.onCheck()
			f.onCheck = nil
		}
		if r.Epoch != 0 && r.Epoch != f.epoch {
			return CapacityReport{}, temporal.NewNonRetryableApplicationError("taken over", ErrorFenced, nil)
		}
		report := CapacityReport{Mark: "mark", Shards: f.shards, Carried: f.claimed}
		if n := min(f.pending, f.slots, r.BatchSize); n > 0 {
			report.Grants = []Grant{{WorkspaceID: workspaceOne, Slots: n, Limit: 10}}
			report.After = workspaceOne
		} else if f.pending > 0 {
			report.Waiting = map[string]int{"at-capacity": 1}
		}
		return report, f.failing(ActivityCheckCapacity)
	})
	add(ActivityRetire, func(_ context.Context, shard int, runID string) (bool, error) {
		f.Lock()
		defer f.Unlock()
		if f.onRetire != nil {
			f.onRetire()
			f.onRetire = nil
		}
		retired := shard >= f.shards
		if retired {
			f.retired = map[string]bool{runID: true}
		}
		return retired, f.failing(ActivityRetire)
	})
	add(ActivityClaimExecutions, func(_ context.Context, r ClaimRequest) (ClaimResult, error) {
		f.Lock()
		defer f.Unlock()
		if r.Epoch != f.epoch {
			return ClaimResult{}, temporal.NewNonRetryableApplicationError("taken over", ErrorFenced, nil)
		}
		if err := f.failing(ActivityClaimExecutions); err != nil {
			return ClaimResult{}, err
		}
		result := ClaimResult{Carried: f.claimed, Newest: f.accepted}
		for _, g := range r.Grants {
			if r.Cycle <= f.accepted {
				result.Repeated = true
				return result, nil
			}
			result.New += g.Slots
		}
		if len(r.Grants) > 0 {
			f.accepted = r.Cycle
		}
		f.pending -= result.New
		f.claimed += result.New
		if f.lostClaim && result.New > 0 {
			f.lostClaim = false
			return ClaimResult{}, errors.New("connection lost after the commit")
		}
		return result, nil
	})
	add(ActivityDispatchExecutions, func(_ context.Context, r DispatchRequest) (DispatchResult, error) {
		f.Lock()
		defer f.Unlock()
		if err := f.failing(ActivityDispatchExecutions); err != nil {
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
	add(ActivitySpinForWork, func(_ context.Context, r SpinRequest) (bool, error) {
		f.Lock()
		defer f.Unlock()
		f.spins++
		return f.pending > 0 && f.slots > 0, f.failing(ActivitySpinForWork)
	})
	add(ActivityPassCycle, func(_ context.Context, _ int, epoch, cycle int64) error {
		f.Lock()
		defer f.Unlock()
		if epoch == f.epoch {
			f.accepted = max(f.accepted, cycle)
		}
		return f.failing(ActivityPassCycle)
	})
	add(ActivityAwaitWork, func(_ context.Context, r AwaitRequest) (AwaitResult, error) {
		f.Lock()
		f.parks = append(f.parks, r)
		parked := f.onAwait
		f.Unlock()
		if parked != nil {
			parked()
		}
		f.Lock()
		defer f.Unlock()
		n := min(f.pending, f.slots)
		if !f.wakes || r.Cycle == nil || r.Cycle.Epoch != f.epoch || r.Cycle.Cycle <= f.accepted || n == 0 {
			return AwaitResult{}, nil
		}
		f.accepted = r.Cycle.Cycle
		f.pending -= n
		f.started += n
		return AwaitResult{Claimed: ClaimResult{New: n, Newest: f.accepted}, Dispatched: &DispatchResult{Started: n}}, nil
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

func newEnv(t *testing.T, f *fakeQueue) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(20 * time.Second)
	// Encoding a megabyte takes more than the second that is allowed by default, under the race detector on a busy machine.
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	RegisterDefault(env)
	RegisterWorkspace(env)
	f.register(env)
	return env
}

// update sends an update from inside the test's workflow clock and returns its answer through the pointers.
func update(env *testsuite.TestWorkflowEnvironment, name string, request any, status *Status, refused *error) {
	env.UpdateWorkflow(name, uuid.NewString(), &testsuite.TestUpdateCallback{
		OnReject: func(err error) { *refused = err },
		OnAccept: func() {},
		OnComplete: func(answer any, err error) {
			if err != nil {
				*refused = err
			} else if status != nil {
				*status = answer.(Status)
			}
		},
	}, request)
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
