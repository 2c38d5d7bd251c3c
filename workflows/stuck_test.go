package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"sluice/internal/definition"
)

// What must not keep an execution from ending: values at the edges of their ranges, what children return, sizes, and children
// that do not end.

func TestNodesAtTheEdgesOfTheirRangesEnd(t *testing.T) {
	t.Parallel()
	for _, duration := range []string{"0s", "-0s", "0", "0h0m0s", "1ns", "999ns", "24h"} {
		t.Run(duration, func(t *testing.T) {
			t.Parallel()
			f := &fakeQueue{}
			env := newEnv(t, f)
			env.SetTestTimeout(2 * time.Minute)
			began := env.Now()
			env.ExecuteWorkflow(ExecutionType, input(delay(1, duration), delay(2, duration, node(1)),
				definition.Node{ID: node(3), Type: definition.Noop, Needs: []uuid.UUID{node(2)}}))
			require.NoError(t, env.GetWorkflowError())
			require.Len(t, f.outcomes, 1)
			require.Equal(t, StatusCompleted, f.outcomes[0].Status)
			require.JSONEq(t, `{}`, string(f.outcomes[0].Output))
			if strings.HasPrefix(strings.TrimPrefix(duration, "-"), "0") {
				require.Zero(t, env.Now().Sub(began), "it is done at once")
			}
		})
	}
}

func TestTheLargestGraphsAreRunInOneWorkflowTask(t *testing.T) {
	t.Parallel()
	var nodes []definition.Node
	id := func(i int) uuid.UUID { return uuid.UUID{14: byte(i >> 8), 15: byte(i)} }
	for i := range definition.MaxNodes {
		n := definition.Node{ID: id(i), Type: definition.Noop}
		for need := range min(i, 9) {
			n.Needs = append(n.Needs, id(need))
		}
		if i > 9 {
			n.Needs = append(n.Needs, id(i-1))
		}
		nodes = append(nodes, n)
	}
	f := &fakeQueue{}
	env := newEnv(t, f)
	env.SetTestTimeout(2 * time.Minute)
	began := time.Now()
	env.ExecuteWorkflow(ExecutionType, input(nodes...))
	t.Log(time.Since(began))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, StatusCompleted, f.outcomes[0].Status)
}

// child registers a workflow type Child.
func child(id byte, needs ...uuid.UUID) definition.Node {
	return definition.Node{ID: node(id), Name: fmt.Sprintf("child-%d", id), Type: definition.Workflow, Needs: needs,
		Config: json.RawMessage(`{"workflowType":"Child"}`)}
}

func TestChildrenMayReturnAnyEncoding(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		child any
		want  string // empty: no output
	}{
		"nothing": {func(workflow.Context, json.RawMessage) error { return nil }, ""},
		"nil":     {func(workflow.Context, json.RawMessage) (*int, error) { return nil, nil }, ""},
		"a protobuf": {func(workflow.Context, json.RawMessage) (*commonpb.WorkflowType, error) {
			return &commonpb.WorkflowType{Name: "n"}, nil
		}, `{"name":"n"}`},
		"bytes":         {func(workflow.Context, json.RawMessage) ([]byte, error) { return []byte{0, 1}, nil }, `"AAE="`},
		"bytes of JSON": {func(workflow.Context, json.RawMessage) ([]byte, error) { return []byte(`[1]`), nil }, `[1]`},
		"a bare value":  {func(workflow.Context, json.RawMessage) (bool, error) { return true, nil }, `true`},
		"a binary buffer": {func(workflow.Context, json.RawMessage) (converter.RawValue, error) {
			return converter.NewRawValue(&commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/theirs")}, Data: []byte{2, 3}}), nil
		}, `"AgM="`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeQueue{}
			env := newEnv(t, f)
			env.RegisterWorkflowWithOptions(test.child, workflow.RegisterOptions{Name: "Child"})
			env.ExecuteWorkflow(ExecutionType, input(child(1)))
			require.NoError(t, env.GetWorkflowError())
			got, has := outputs(t, f)[node(1).String()]
			require.Equal(t, test.want != "", has)
			if has {
				require.JSONEq(t, test.want, string(got))
			}
		})
	}
}

// poisoned panics when it decodes a value.
type poisoned struct{ converter.DataConverter }

func (poisoned) FromPayloads(p *commonpb.Payloads, to ...any) error {
	for _, target := range to {
		if _, raw := target.(*converter.RawValue); raw {
			panic("poison")
		}
	}
	return converter.GetDefaultDataConverter().FromPayloads(p, to...)
}

func TestAPanicAboutANodeFailsTheExecution(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	env.SetDataConverter(poisoned{converter.GetDefaultDataConverter()})
	env.RegisterWorkflowWithOptions(func(workflow.Context, json.RawMessage) (int, error) { return 1, nil }, workflow.RegisterOptions{Name: "Child"})
	env.ExecuteWorkflow(ExecutionType, input(child(1)))
	require.ErrorContains(t, env.GetWorkflowError(), "node child-1 failed: panic: poison")
	require.Equal(t, StatusFailed, f.outcomes[0].Status)
	require.Equal(t, node(1), *f.outcomes[0].Error.NodeID)
}

func TestAnErrorOfAnySizeEndsTheExecution(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	env.RegisterWorkflowWithOptions(func(workflow.Context, json.RawMessage) error {
		return temporal.NewNonRetryableApplicationError(strings.Repeat("é", 900_000), "Large", nil, strings.Repeat("d", 1_000_000))
	}, workflow.RegisterOptions{Name: "Child"})
	env.ExecuteWorkflow(ExecutionType, input(child(1)))
	err := env.GetWorkflowError()
	require.ErrorContains(t, err, "node child-1 failed")
	require.Less(t, proto.Size(temporal.GetDefaultFailureConverter().ErrorToFailure(err)), 100_000)
	require.Equal(t, StatusFailed, f.outcomes[0].Status)
	require.Less(t, len(f.outcomes[0].Error.Message), 20_000)
	require.True(t, strings.HasPrefix(f.outcomes[0].Error.Message, "éé"))
}

func TestALongLabelIsCutInSummaries(t *testing.T) {
	t.Parallel()
	for _, label := range []string{strings.Repeat("<", 2000), strings.Repeat("\U0001F600", 2000), strings.Repeat("\u2028", 50)} {
		raw, err := json.Marshal(summaryOf(definition.Node{Name: label}))
		require.NoError(t, err)
		require.LessOrEqual(t, len(raw), 300, "Temporal takes 400 bytes, encoding included")
	}
	require.Equal(t, "short", summaryOf(definition.Node{Name: "short"}))
}

func TestANodeThatCannotStartCancelsTheOthersAtOnce(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	began := env.Now()
	env.ExecuteWorkflow(ExecutionType, input(delay(1, "24h"), definition.Node{ID: node(2), Type: "teleport"}))
	require.ErrorContains(t, env.GetWorkflowError(), "teleport")
	require.Less(t, env.Now().Sub(began), time.Minute)
	require.Equal(t, StatusFailed, f.outcomes[0].Status)
}

// large is an execution's input of so many bytes, as they are sent.
func large(bytes int) json.RawMessage {
	return json.RawMessage(`{"x":"` + strings.Repeat("<", bytes/6) + `"}`) // each is sent as \u003c
}

func TestLargeNodesStartInWaves(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]func(byte) definition.Node{
		"http":     func(i byte) definition.Node { return call(i, `{"url":"http://api.test","method":"POST"}`) },
		"workflow": func(i byte) definition.Node { return child(i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeQueue{}
			env := newEnv(t, f)
			api := &externalAPI{answer: func(int, HTTPRequest) (HTTPResponse, error) { return HTTPResponse{Status: 200}, nil }}
			api.register(env)
			env.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ json.RawMessage) error {
				return workflow.Sleep(ctx, time.Hour)
			}, workflow.RegisterOptions{Name: "Child"})
			waves := 0
			env.SetOnTimerScheduledListener(func(_ string, duration time.Duration) {
				if duration == roundTrip {
					waves++
				}
			})
			in := input()
			in.Input = large(250 << 10)
			for i := range byte(20) {
				in.Definition.Nodes = append(in.Definition.Nodes, n(i+1))
			}
			began := env.Now()
			env.ExecuteWorkflow(ExecutionType, in)
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, StatusCompleted, f.outcomes[0].Status)
			require.GreaterOrEqual(t, waves, 4, "20 times 250 KiB, of which 4 fit into 1 MiB")
			require.Less(t, env.Now().Sub(began), 2*time.Hour, "all of them run beside one another")
		})
	}
}

func TestWhatTheServerWouldNotTakeFailsTheExecution(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	in := input(call(1, `{"url":"http://api.test","method":"POST"}`))
	in.Input = large(maxRequestBytes)
	env.ExecuteWorkflow(ExecutionType, in)
	require.ErrorContains(t, env.GetWorkflowError(), "at most 2000000 are allowed")
	require.Equal(t, StatusFailed, f.outcomes[0].Status)

	f = &fakeQueue{}
	env = newEnv(t, f)
	env.SetCurrentHistorySize(MaxHistoryBytes)
	env.ExecuteWorkflow(ExecutionType, input(call(1, `{"url":"http://api.test"}`)))
	require.ErrorContains(t, env.GetWorkflowError(), "the execution's history would have")
	require.Equal(t, StatusFailed, f.outcomes[0].Status)
	require.Equal(t, node(1), *f.outcomes[0].Error.NodeID)

	f = &fakeQueue{}
	env = newEnv(t, f)
	env.SetCurrentHistorySize(MaxHistoryBytes + 1)
	env.ExecuteWorkflow(ExecutionType, input(delay(1, "0s")))
	require.NoError(t, env.GetWorkflowError(), "what sends nothing needs no room")
}

func TestOutputsAreCountedAsTheyCome(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	calls := 0
	api := &externalAPI{answer: func(int, HTTPRequest) (HTTPResponse, error) {
		calls++
		return HTTPResponse{Status: 200, Body: json.RawMessage(`"` + strings.Repeat("x", 60<<10) + `"`)}, nil
	}}
	api.register(env)
	in := input(call(1, `{"url":"http://api.test"}`))
	for i := byte(2); i <= 100; i++ {
		in.Definition.Nodes = append(in.Definition.Nodes, call(i, `{"url":"http://api.test"}`, node(i-1)))
	}
	env.ExecuteWorkflow(ExecutionType, in)
	require.ErrorContains(t, env.GetWorkflowError(), "at most 1048576 are kept")
	require.Equal(t, 18, calls, "what comes after that is not called")
}

// stubborn is a child that does not end when it is cancelled, as one that nobody serves.
func stubborn(ctx workflow.Context, _ json.RawMessage) error {
	return workflow.Sleep(disconnected(ctx), 1000*time.Hour)
}

func TestACancelledExecutionWaitsForItsChildrenNotForEver(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	env.RegisterWorkflowWithOptions(stubborn, workflow.RegisterOptions{Name: "Child"})
	var began time.Time
	env.RegisterDelayedCallback(func() {
		began = env.Now()
		env.CancelWorkflow()
	}, time.Minute)
	env.ExecuteWorkflow(ExecutionType, input(child(1), delay(2, "24h"), delay(3, "1s", node(1))))
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
	require.Equal(t, CancelPatience, env.Now().Sub(began).Round(time.Second))
	require.Len(t, f.outcomes, 1)
	require.Equal(t, StatusCancelled, f.outcomes[0].Status)
}

func TestAChildMayCleanUpWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	cleaned := false
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ json.RawMessage) error {
		err := workflow.Sleep(ctx, 1000*time.Hour)
		_ = workflow.Sleep(disconnected(ctx), CancelPatience/2)
		cleaned = true
		return err
	}, workflow.RegisterOptions{Name: "Child"})
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(ExecutionType, input(child(1)))
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
	require.True(t, cleaned)
}

func TestAFailedExecutionWaitsForItsChildrenNotForEver(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	env.RegisterWorkflowWithOptions(stubborn, workflow.RegisterOptions{Name: "Child"})
	api := &externalAPI{answer: func(int, HTTPRequest) (HTTPResponse, error) {
		return HTTPResponse{}, temporal.NewNonRetryableApplicationError("answered 404", "HTTPStatus", nil)
	}}
	api.register(env)
	began := env.Now()
	env.ExecuteWorkflow(ExecutionType, input(child(1), delay(2, "1m"), call(3, `{"url":"http://api.test"}`, node(2))))
	require.ErrorContains(t, env.GetWorkflowError(), "terminated what had not dealt with the cancellation within 30s: child-1")
	require.Equal(t, time.Minute+CancelPatience, env.Now().Sub(began).Round(time.Second))
	require.Equal(t, StatusFailed, f.outcomes[0].Status)
	require.Equal(t, "answered 404", f.outcomes[0].Error.Message)
	require.Equal(t, node(3), *f.outcomes[0].Error.NodeID)
}
