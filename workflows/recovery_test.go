package workflows

import (
	"context"
	"testing"

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
