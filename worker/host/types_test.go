package host

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/workflows"
)

func ship(workflow.Context) error { return nil }

func pack(context.Context) error { return nil }

// parcels has two activities and a method that is none.
type parcels struct{}

func (*parcels) Weigh(context.Context) (int, error) { return 0, nil }
func (*parcels) Label(context.Context) error        { return nil }
func (*parcels) String() string                     { return "" }

func newHost(t *testing.T, register func(worker.WorkflowRegistry), registerActivities func(worker.ActivityRegistry)) (*Host, error) {
	t.Helper()
	return New(Config{Client: lazyClient(t), Pool: unusedPool(t, 2), RegisterWorkflows: register, RegisterActivities: registerActivities})
}

func TestNewRefusesTypesThatNoWorkerCouldRun(t *testing.T) {
	t.Parallel()
	skip := activity.RegisterOptions{SkipInvalidStructFunctions: true}
	again := activity.RegisterOptions{Name: "pack", DisableAlreadyRegisteredCheck: true}
	for want, register := range map[string]any{
		`register workflows: workflow name "ship" is already registered`: func(r worker.WorkflowRegistry) {
			r.RegisterWorkflow(ship)
			r.RegisterWorkflow(ship)
		},
		`register workflows: workflow name "pay" is already registered`: func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(ship, workflow.RegisterOptions{Name: "pay"})
			r.RegisterWorkflowWithOptions(ship, workflow.RegisterOptions{Name: "pay", DisableAlreadyRegisteredCheck: true})
		},
		`register workflows: workflow name "Execution" is already registered: it is a type of Sluice's own`: func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(ship, workflow.RegisterOptions{Name: "Execution", DisableAlreadyRegisteredCheck: true})
		},
		`register workflows: workflow name "Dispatcher" is already registered: it is a type of Sluice's own`: func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(ship, workflow.RegisterOptions{Name: workflows.DispatcherType})
		},
		`register workflows: workflow name "RecordOutcome" is already registered: it is a type of Sluice's own`: func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(ship, workflow.RegisterOptions{Name: workflows.ActivityRecordOutcome})
		},
		`register workflows: without a name: a nil <nil> cannot be called`: func(r worker.WorkflowRegistry) { r.RegisterWorkflow(nil) },
		`register workflows: pay: a nil func(workflowcontext.Context) error cannot be called`: func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions((func(workflow.Context) error)(nil), workflow.RegisterOptions{Name: "pay"})
		},
		`register workflows: expected first argument to be workflow.Context`: func(r worker.WorkflowRegistry) { r.RegisterWorkflow(pack) },
		`register workflows: __temporal_ is a reserved prefix`: func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(ship, workflow.RegisterOptions{Name: "__temporal_x"})
		},
		`register workflows: panic: no configuration`: func(worker.WorkflowRegistry) { panic("no configuration") },
		`register workflows: dynamic workflow already registered`: func(r worker.WorkflowRegistry) {
			any := func(workflow.Context, converter.EncodedValues) error { return nil }
			r.RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions{})
			r.RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions{})
		},
		`register activities: activity type "pack" is already registered`: func(r worker.ActivityRegistry) {
			r.RegisterActivity(pack)
			r.RegisterActivity(pack)
		},
		`activity type "pack" is already registered`: func(r worker.ActivityRegistry) {
			r.RegisterActivity(pack)
			r.RegisterActivityWithOptions(pack, again)
		},
		`activity type "Label" is already registered`: func(r worker.ActivityRegistry) {
			r.RegisterActivityWithOptions(&parcels{}, skip)
			r.RegisterActivityWithOptions(&parcels{}, skip)
		},
		`register activities: activity type "Label" is already registered`: func(r worker.ActivityRegistry) {
			r.RegisterActivityWithOptions(&parcels{}, skip)
			r.RegisterActivity((&parcels{}).Label)
		},
		`register activities: method String of`: func(r worker.ActivityRegistry) { r.RegisterActivity(&parcels{}) },
		`register activities: activity type "RecordOutcome" is already registered: it is a type of Sluice's own`: func(r worker.ActivityRegistry) {
			r.RegisterActivityWithOptions(pack, activity.RegisterOptions{Name: workflows.ActivityRecordOutcome, DisableAlreadyRegisteredCheck: true})
		},
		`register activities: activity type "CallHTTP" is already registered: it is a type of Sluice's own`: func(r worker.ActivityRegistry) {
			r.RegisterActivityWithOptions(pack, activity.RegisterOptions{Name: workflows.ActivityCallHTTP})
		},
		`register activities: without a name: a nil *host.parcels cannot be called`: func(r worker.ActivityRegistry) { r.RegisterActivity((*parcels)(nil)) },
		`register activities: without a name: a nil func(context.Context) error cannot be called`: func(r worker.ActivityRegistry) {
			r.RegisterActivity((func(context.Context) error)(nil))
		},
		`register activities: unexpected use of workflow context`: func(r worker.ActivityRegistry) { r.RegisterActivity(ship) },
		`register activities: panic: `:                            func(worker.ActivityRegistry) { panic("no configuration") },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			onWorkflows, _ := register.(func(worker.WorkflowRegistry))
			onActivities, _ := register.(func(worker.ActivityRegistry))
			began := time.Now()
			_, err := newHost(t, onWorkflows, onActivities)
			require.ErrorContains(t, err, want)
			require.Less(t, time.Since(began), time.Minute, "nothing is contacted")
		})
	}
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := newHost(t, func(r worker.WorkflowRegistry) { r.RegisterWorkflow(nil); r.RegisterWorkflow(pack) },
		func(r worker.ActivityRegistry) { r.RegisterActivity(pack); r.RegisterActivity(pack) })
	require.ErrorContains(t, err, "a nil <nil>")
	require.ErrorContains(t, err, "expected first argument")
	require.ErrorContains(t, err, `activity type "pack" is already registered`)
}

func TestTypesAreAskedForOnceAndKnownByName(t *testing.T) {
	t.Parallel()
	asked := 0
	h, err := newHost(t, func(r worker.WorkflowRegistry) {
		asked++
		r.RegisterWorkflow(ship)
		r.RegisterWorkflowWithOptions(ship, workflow.RegisterOptions{Name: "pay"})
		r.RegisterDynamicWorkflow(func(workflow.Context, converter.EncodedValues) error { return nil }, workflow.DynamicRegisterOptions{})
	}, func(r worker.ActivityRegistry) {
		asked++
		r.RegisterActivity(pack)
		r.RegisterActivityWithOptions(&parcels{}, activity.RegisterOptions{Name: "parcels.", SkipInvalidStructFunctions: true})
		r.RegisterActivity((&parcels{}).Label)
	})
	require.NoError(t, err)
	require.Equal(t, []string{"pay", "ship"}, h.own.workflows)
	require.Equal(t, []string{"Label", "pack", "parcels.Label", "parcels.Weigh"}, h.own.activities)
	require.True(t, h.own.anyWorkflow)
	require.False(t, h.own.anyActivity)
	for range 3 { // as workers of workspaces that begin to have work
		h.own.registerOn(worker.New(h.cfg.Client, "any", worker.Options{}))
	}
	require.Equal(t, 2, asked)
}
