package workflows

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

func TestRecoveryRunsEveryStepAlthoughOneFails(t *testing.T) {
	t.Parallel()
	env := newEnv(t, &fakeQueue{})
	add := func(name string, part RecoveryReport, err error) {
		env.RegisterActivityWithOptions(func(context.Context) (RecoveryReport, error) { return part, err }, activity.RegisterOptions{Name: name})
	}
	add(ActivitySweepQueue, RecoveryReport{Expired: 2, Orphaned: 1, BellsAged: 9}, nil)
	add(ActivityReleaseStaleClaims, RecoveryReport{}, temporal.NewApplicationError("temporal is away", "Unavailable"))
	add(ActivityReconcileSlots, RecoveryReport{Checked: 5, Repaired: 1}, nil)
	env.ExecuteWorkflow(RecoveryType)
	require.ErrorContains(t, env.GetWorkflowError(), "temporal is away")

	env = newEnv(t, &fakeQueue{})
	add(ActivitySweepQueue, RecoveryReport{Expired: 2, Orphaned: 1, BellsAged: 9}, nil)
	add(ActivityReleaseStaleClaims, RecoveryReport{Released: 3, Settled: 4}, nil)
	add(ActivityReconcileSlots, RecoveryReport{Checked: 5, Repaired: 1}, nil)
	env.ExecuteWorkflow(RecoveryType)
	require.NoError(t, env.GetWorkflowError())
	var report RecoveryReport
	require.NoError(t, env.GetWorkflowResult(&report))
	require.Equal(t, RecoveryReport{Expired: 2, Orphaned: 1, Released: 3, Settled: 4, Checked: 5, Repaired: 1, BellsAged: 9}, report)
}
