package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
)

func node(n byte) uuid.UUID { return uuid.UUID{15: n} }

func input(nodes ...definition.Node) ExecutionInput {
	return ExecutionInput{
		ExecutionID: uuid.UUID{1}, WorkspaceID: uuid.UUID{2}, Plan: "PRO", VersionNumber: 1,
		Definition: definition.Definition{Name: "test", Nodes: nodes}, Input: json.RawMessage(`{"order":7}`),
	}
}

func delay(id byte, duration string, needs ...uuid.UUID) definition.Node {
	return definition.Node{ID: node(id), Type: definition.Delay, Needs: needs, Config: json.RawMessage(`{"duration":"` + duration + `"}`)}
}

func call(id byte, config string, needs ...uuid.UUID) definition.Node {
	return definition.Node{ID: node(id), Name: fmt.Sprintf("call-%d", id), Type: definition.HTTP, Needs: needs, Config: json.RawMessage(config)}
}

// externalAPI stands in for CallHTTP.
type externalAPI struct {
	sync.Mutex
	requests []HTTPRequest
	answer   func(attempt int, r HTTPRequest) (HTTPResponse, error)
}

func (e *externalAPI) register(env *testsuite.TestWorkflowEnvironment) {
	env.RegisterActivityWithOptions(func(ctx context.Context, r HTTPRequest, input json.RawMessage) (HTTPResponse, error) {
		e.Lock()
		defer e.Unlock()
		if len(input) > 0 {
			r.Body = input
		}
		e.requests = append(e.requests, r)
		return e.answer(int(activity.GetInfo(ctx).Attempt), r)
	}, activity.RegisterOptions{Name: ActivityCallHTTP})
}

func TestExecutionRunsIndependentNodesInParallel(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	start := env.Now()
	env.ExecuteWorkflow(ExecutionType, input(
		delay(1, "10m"), delay(2, "1h"), delay(3, "30m", node(1)),
		definition.Node{ID: node(4), Type: definition.Noop, Needs: []uuid.UUID{node(2), node(3)}},
	))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, time.Hour, env.Now().Sub(start).Round(time.Second), "the longest path, not the sum")
	require.Len(t, f.outcomes, 1)
	require.Equal(t, StatusCompleted, f.outcomes[0].Status)
	require.Equal(t, uuid.UUID{1}, f.outcomes[0].ExecutionID)
	require.NotEmpty(t, f.outcomes[0].RunID)
	require.JSONEq(t, `{}`, string(f.outcomes[0].Output))
}

func TestExecutionWithoutNodesCompletes(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	env.ExecuteWorkflow(ExecutionType, input())
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, StatusCompleted, f.outcomes[0].Status)
}

func TestHTTPNodesSendAndKeepWhatTheyGot(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	api := &externalAPI{answer: func(_ int, r HTTPRequest) (HTTPResponse, error) {
		return HTTPResponse{Status: 200, Body: json.RawMessage(`{"got":"` + r.Method + `"}`)}, nil
	}}
	api.register(env)
	env.ExecuteWorkflow(ExecutionType, input(
		call(1, `{"url":"http://api.test/a","method":"POST"}`),
		call(2, `{"url":"http://api.test/b","headers":{"X-A":"1"}}`, node(1)),
		call(3, `{"url":"http://api.test/c","method":"PUT","body":{"fixed":true}}`, node(2)),
	))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, api.requests, 3)
	require.JSONEq(t, `{"order":7}`, string(api.requests[0].Body), "a POST without a body sends the execution's input")
	require.Empty(t, api.requests[1].Body)
	require.Equal(t, map[string]definition.Header{"X-A": {Value: "1"}}, api.requests[1].Headers)
	require.JSONEq(t, `{"fixed":true}`, string(api.requests[2].Body))
	require.Equal(t, uuid.UUID{1}.String()+"/"+node(1).String(), api.requests[0].IdempotencyKey)
	require.JSONEq(t, `{"status":200,"body":{"got":"PUT"}}`, string(outputs(t, f)[node(3).String()]))
}

func TestHTTPNodesRetryByTheirPolicy(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	api := &externalAPI{answer: func(attempt int, _ HTTPRequest) (HTTPResponse, error) {
		if attempt < 3 {
			return HTTPResponse{}, errors.New("503")
		}
		return HTTPResponse{Status: 200}, nil
	}}
	api.register(env)
	env.ExecuteWorkflow(ExecutionType, input(call(1, `{"url":"http://api.test","retry":{"maximumAttempts":3}}`)))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, api.requests, 3)
	require.Equal(t, api.requests[0].IdempotencyKey, api.requests[2].IdempotencyKey, "one key for all attempts")
	require.Equal(t, definition.Retry{MaximumAttempts: 3}, api.requests[0].Retry, "the activity ends the attempts")
	require.Equal(t, definition.Duration(definition.DefaultHTTPTimeout), api.requests[0].Timeout)
}

// Temporal counts deliveries, of which many may have been put back, when it says how long what was lost with its worker waits.
func TestACallThatWasLostWaitsTheFirstIntervalHoweverOftenItWasDelivered(t *testing.T) {
	t.Parallel()
	env := newEnv(t, &fakeQueue{})
	var at []time.Time
	api := &externalAPI{answer: func(attempt int, _ HTTPRequest) (HTTPResponse, error) {
		at = append(at, env.Now())
		if attempt < 5 {
			return HTTPResponse{}, errors.New("lost")
		}
		return HTTPResponse{Status: 200}, nil
	}}
	api.register(env)
	env.ExecuteWorkflow(ExecutionType, input(call(1, `{"url":"http://api.test","retry":{"initialInterval":"1h","maximumInterval":"100h"}}`)))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, at, 5)
	require.InDelta(t, 4, at[4].Sub(at[0]).Hours(), 0.1)
}

func TestAFailedNodeCancelsTheOthersAndIsNamed(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	start := env.Now()
	api := &externalAPI{answer: func(int, HTTPRequest) (HTTPResponse, error) {
		return HTTPResponse{}, temporal.NewNonRetryableApplicationError("answered 404", "HTTPStatus", nil)
	}}
	api.register(env)
	env.ExecuteWorkflow(ExecutionType, input(delay(1, "24h"), call(2, `{"url":"http://api.test"}`), delay(3, "1h", node(2))))
	require.ErrorContains(t, env.GetWorkflowError(), "node call-2 failed")
	require.Less(t, env.Now().Sub(start), time.Hour, "the long delay is not waited for")
	require.Len(t, f.outcomes, 1)
	o := f.outcomes[0]
	require.Equal(t, StatusFailed, o.Status)
	require.Equal(t, "answered 404", o.Error.Message)
	require.Equal(t, node(2), *o.Error.NodeID)
	require.Nil(t, o.Output)
}

func TestACancelledExecutionRecordsItsOutcome(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(ExecutionType, input(delay(1, "24h")))
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
	require.Len(t, f.outcomes, 1)
	require.Equal(t, StatusCancelled, f.outcomes[0].Status)
}

func TestTheOutcomeIsTriedUntilItIsRecorded(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{fail: map[string]int{ActivityRecordOutcome: 50}}
	env := newEnv(t, f)
	env.ExecuteWorkflow(ExecutionType, input(delay(1, "1s")))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, f.outcomes, 1)
}

func TestAnExecutionTheDatabaseDoesNotKnowEndsAllTheSame(t *testing.T) {
	t.Parallel()
	env := newEnv(t, &fakeQueue{})
	env.OnActivity(ActivityRecordOutcome, mock.Anything, mock.Anything).
		Return(temporal.NewNonRetryableApplicationError("no such execution", "RefusedRequest", nil)).Once()
	env.ExecuteWorkflow(ExecutionType, input(delay(1, "1s")))
	require.NoError(t, env.GetWorkflowError())
}

func TestWorkflowNodesStartChildrenOnTheWorkspacesTaskQueue(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	var mu sync.Mutex
	var seen []workflow.Info
	child := func(ctx workflow.Context, in map[string]any) (map[string]any, error) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, *workflow.GetInfo(ctx))
		return map[string]any{"echo": in}, nil
	}
	env.RegisterWorkflowWithOptions(child, workflow.RegisterOptions{Name: "Invoice"})
	env.ExecuteWorkflow(ExecutionType, input(
		definition.Node{ID: node(1), Type: definition.Workflow, Config: json.RawMessage(`{"workflowType":"Invoice"}`)},
		definition.Node{ID: node(2), Type: definition.Workflow, Config: json.RawMessage(`{"workflowType":"Invoice","taskQueue":"invoices","input":{"a":1}}`)},
	))
	require.NoError(t, env.GetWorkflowError())
	slices.SortFunc(seen, func(a, b workflow.Info) int { return strings.Compare(a.WorkflowExecution.ID, b.WorkflowExecution.ID) })
	require.Equal(t, WorkspaceTaskQueue(uuid.UUID{2}), seen[0].TaskQueueName)
	require.Equal(t, "invoices", seen[1].TaskQueueName)
	require.Equal(t, ExecutionID(uuid.UUID{1})+"/"+node(1).String(), seen[0].WorkflowExecution.ID)
	got := outputs(t, f)
	require.JSONEq(t, `{"echo":{"order":7}}`, string(got[node(1).String()]))
	require.JSONEq(t, `{"echo":{"a":1}}`, string(got[node(2).String()]))
}

func TestOutputsThatAreTooLargeFailTheExecution(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{}
	env := newEnv(t, f)
	large, err := json.Marshal(strings.Repeat("x", 60<<10))
	require.NoError(t, err)
	api := &externalAPI{answer: func(int, HTTPRequest) (HTTPResponse, error) { return HTTPResponse{Status: 200, Body: large}, nil }}
	api.register(env)
	var nodes []definition.Node
	for i := range byte(20) {
		nodes = append(nodes, call(i+1, `{"url":"http://api.test"}`))
	}
	env.ExecuteWorkflow(ExecutionType, input(nodes...))
	require.ErrorContains(t, env.GetWorkflowError(), "at most 1048576 are kept")
	require.Equal(t, StatusFailed, f.outcomes[0].Status)
}

func TestAnInvalidNodeFailsTheExecutionWithItsReason(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]definition.Node{
		"unknown type": {ID: node(1), Type: "teleport"},
		"bad config":   {ID: node(1), Type: definition.Delay, Config: json.RawMessage(`{"duration":"soon"}`)},
	} {
		f := &fakeQueue{}
		env := newEnv(t, f)
		env.ExecuteWorkflow(ExecutionType, input(n))
		require.Error(t, env.GetWorkflowError(), name)
		require.Equal(t, StatusFailed, f.outcomes[0].Status, name)
		require.NotEmpty(t, f.outcomes[0].Error.Message, name)
	}
}

func outputs(t *testing.T, f *fakeQueue) map[string]json.RawMessage {
	t.Helper()
	require.Len(t, f.outcomes, 1)
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(f.outcomes[0].Output, &m))
	return m
}
