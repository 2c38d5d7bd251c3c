package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
)

// types collects the names of the types that are registered.
type types []string

func (t *types) RegisterWorkflowWithOptions(_ any, options workflow.RegisterOptions) {
	*t = append(*t, options.Name)
}

// What package definition refuses are the names of this package.
func TestNoNodeMayNameWhatIsSluicesOwn(t *testing.T) {
	t.Parallel()
	var own types
	RegisterDefault(&own)
	RegisterWorkspace(&own)
	require.Len(t, own, 3)
	refused := func(config string) error {
		_, err := definition.Node{Type: definition.Workflow, Config: json.RawMessage(config)}.Workflow()
		return err
	}
	for _, name := range own {
		require.ErrorContains(t, refused(fmt.Sprintf(`{"workflowType": %q}`, name)), "type of Sluice itself")
	}
	for _, queue := range []string{TaskQueueDefault, TaskQueueExternalAPI} {
		require.ErrorContains(t, refused(fmt.Sprintf(`{"workflowType": "Bill", "taskQueue": %q}`, queue)), "Sluice's own")
	}
	d := definition.Definition{Nodes: []definition.Node{{Type: definition.Workflow,
		Config: json.RawMessage(fmt.Sprintf(`{"workflowType": "Bill", "taskQueue": %q}`, WorkspaceTaskQueue(uuid.UUID{1})))}}}
	require.NoError(t, d.CheckOwner(uuid.UUID{1}))
	require.ErrorContains(t, d.CheckOwner(uuid.UUID{2}), "is not this workspace's")
}

// A definition may have been written into its table by hand.
func TestAnExecutionRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"workflowType":"Execution"}`:                                                   "type of Sluice itself",
		`{"workflowType":"Dispatcher"}`:                                                  "type of Sluice itself",
		`{"workflowType":"Bill","taskQueue":"workflows.default"}`:                        "Sluice's own",
		`{"workflowType":"Bill","taskQueue":"` + WorkspaceTaskQueue(uuid.UUID{3}) + `"}`: "is not this workspace's",
		`{"workflowType":"Bill","taskQueue":"/_sys/x"}`:                                  "Temporal reserves",
		`{"workflowType":"Bill","retry":{"maximumInterval":"500ms"}}`:                    "maximumInterval 500ms",
		`{"workflowType":"Bill","retry":{"initialInterval":"2562047h"},"timeout":"20s"}`: "got 2562047h0m0s",
	} {
		f := &fakeQueue{}
		env := newEnv(t, f)
		env.RegisterWorkflowWithOptions(func(workflow.Context, json.RawMessage) error {
			t.Errorf("%s was started", config)
			return nil
		}, workflow.RegisterOptions{Name: "Bill"})
		env.ExecuteWorkflow(ExecutionType, input(definition.Node{ID: node(1), Type: definition.Workflow, Config: json.RawMessage(config)}))
		require.ErrorContains(t, env.GetWorkflowError(), want)
		require.Len(t, f.outcomes, 1)
		require.Equal(t, StatusFailed, f.outcomes[0].Status)
		require.Contains(t, f.outcomes[0].Error.Message, want)
	}
}

// parent starts a child of a type, as code that starts whatever it is told to would.
func parent(ctx workflow.Context, kind string, input any) error {
	return workflow.ExecuteChildWorkflow(ctx, kind, input).Get(ctx, nil)
}

func TestSluicesOwnWorkflowsAreNobodysChildren(t *testing.T) {
	t.Parallel()
	for kind, argument := range map[string]any{
		ExecutionType: input(delay(1, "1s")), DispatcherType: State{}, RecoveryType: RecoveryRequest{},
	} {
		f := &fakeQueue{pending: 3, slots: 3}
		env := newEnv(t, f)
		env.RegisterWorkflow(parent)
		env.ExecuteWorkflow(parent, kind, argument)
		require.ErrorContains(t, env.GetWorkflowError(), kind+" is a workflow of Sluice itself and runs as no child")
		require.Empty(t, f.outcomes)
		require.Empty(t, f.takeovers)
	}
}

// What a workflow continues as has no parent. The steps tell by its id that it is none of Sluice's, and it does not try for ever.
func TestWhoseStepsAreRefusedEnds(t *testing.T) {
	t.Parallel()
	refusal := temporal.NewNonRetryableApplicationError("workflow execution-1 may not", ErrorRefused, nil)
	for kind, argument := range map[string]any{DispatcherType: State{}, RecoveryType: RecoveryRequest{GoOn: true}} {
		env := newEnv(t, &fakeQueue{pending: 3, slots: 3})
		for _, name := range []string{ActivitySweep, ActivityReleaseStaleClaims} {
			env.RegisterActivityWithOptions(func(context.Context) (RecoveryReport, error) { return RecoveryReport{}, refusal }, activity.RegisterOptions{Name: name})
		}
		env.RegisterActivityWithOptions(func(context.Context, ReconcileRequest) (RecoveryReport, error) { return RecoveryReport{}, refusal }, activity.RegisterOptions{Name: ActivityReconcile})
		env.OnActivity(ActivityTakeOver, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(int64(0), refusal)
		env.ExecuteWorkflow(kind, argument)
		require.ErrorContains(t, env.GetWorkflowError(), "workflow execution-1 may not")
	}
}

func TestAnExecutionContinuesNoOtherWorkflow(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	env.SetContinuedExecutionRunID("of a workflow of a caller's own")
	env.ExecuteWorkflow(ExecutionType, input(delay(1, "1s")))
	var refused *temporal.ApplicationError
	require.ErrorAs(t, env.GetWorkflowError(), &refused)
	require.True(t, refused.NonRetryable())
	require.ErrorContains(t, refused, "continues no other")
	require.Empty(t, f.outcomes)
}
