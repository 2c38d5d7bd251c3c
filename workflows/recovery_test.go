package workflows

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

func TestRecoveryRunsEveryStepAlthoughOneFails(t *testing.T) {
	t.Parallel()
	env := newEnv(t, &fakeQueue{})
	add := func(name string, part RecoveryReport, err error) {
		env.RegisterActivityWithOptions(func(context.Context) (RecoveryReport, error) { return part, err }, activity.RegisterOptions{Name: name})
	}
	add(ActivitySweep, RecoveryReport{Expired: 2, Orphaned: 1, Dropped: 9}, nil)
	add(ActivityReleaseStaleClaims, RecoveryReport{}, temporal.NewApplicationError("temporal is away", "Unavailable"))
	add(ActivityReconcile, RecoveryReport{Checked: 5, Repaired: 1}, nil)
	env.ExecuteWorkflow(RecoveryType)
	require.ErrorContains(t, env.GetWorkflowError(), "temporal is away")

	env = newEnv(t, &fakeQueue{})
	add(ActivitySweep, RecoveryReport{Expired: 2, Orphaned: 1, Dropped: 9}, nil)
	add(ActivityReleaseStaleClaims, RecoveryReport{Released: 3, Settled: 4}, nil)
	add(ActivityReconcile, RecoveryReport{Checked: 5, Repaired: 1}, nil)
	env.ExecuteWorkflow(RecoveryType)
	require.NoError(t, env.GetWorkflowError())
	var report RecoveryReport
	require.NoError(t, env.GetWorkflowResult(&report))
	require.Equal(t, RecoveryReport{Expired: 2, Orphaned: 1, Released: 3, Settled: 4, Checked: 5, Repaired: 1, Dropped: 9}, report)
}

func TestRecoveryThatGoesOnBeginsAnewWhateverHappens(t *testing.T) {
	t.Parallel()
	request := RecoveryRequest{ReconcileFor: Duration(RecoveryEvery), GoOn: true}
	env := newEnv(t, &fakeQueue{})
	down := temporal.NewNonRetryableApplicationError("postgres is away", "Unavailable", nil)
	for _, name := range []string{ActivitySweep, ActivityReleaseStaleClaims} {
		env.RegisterActivityWithOptions(func(context.Context) (RecoveryReport, error) { return RecoveryReport{}, down }, activity.RegisterOptions{Name: name})
	}
	var asked ReconcileRequest
	env.RegisterActivityWithOptions(func(_ context.Context, r ReconcileRequest) (RecoveryReport, error) {
		asked = r
		return RecoveryReport{}, down
	}, activity.RegisterOptions{Name: ActivityReconcile})
	env.ExecuteWorkflow(RecoveryType, request)
	var continued *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &continued)
	var next RecoveryRequest
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(continued.Input, &next))
	require.Equal(t, request, next)
	require.Equal(t, ReconcileRequest{For: request.ReconcileFor, Every: ReconcileEvery}, asked)
}

// A sweep of a large table, or behind a lock, may take many seconds.
func TestSlotsAreComparedWhileASweepLasts(t *testing.T) {
	t.Parallel()
	env := newEnv(t, &fakeQueue{})
	compared := make(chan struct{})
	env.RegisterActivityWithOptions(func(ctx context.Context) (RecoveryReport, error) {
		select {
		case <-compared:
			return RecoveryReport{}, nil
		case <-time.After(time.Minute):
			return RecoveryReport{}, errors.New("nothing was compared")
		}
	}, activity.RegisterOptions{Name: ActivitySweep})
	env.RegisterActivityWithOptions(func(context.Context) (RecoveryReport, error) { return RecoveryReport{}, nil }, activity.RegisterOptions{Name: ActivityReleaseStaleClaims})
	env.RegisterActivityWithOptions(func(context.Context, ReconcileRequest) (RecoveryReport, error) {
		close(compared)
		return RecoveryReport{}, nil
	}, activity.RegisterOptions{Name: ActivityReconcile})
	env.ExecuteWorkflow(RecoveryType)
	require.NoError(t, env.GetWorkflowError())
}
