package activities

import (
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
	"sluice/internal/outbound"
	"sluice/workflows"
)

func TestCallHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			body, _ := io.ReadAll(r.Body)
			_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "type": r.Header.Get("Content-Type"),
				"key": r.Header.Get("Idempotency-Key"), "extra": r.Header.Get("X-Extra"), "body": string(body)})
		case "/text":
			_, _ = w.Write([]byte("plain\x00 text \xff"))
		case "/large":
			_, _ = w.Write([]byte(strings.Repeat("x", maxResponseBytes+1)))
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/400", "/404":
			http.Error(w, "no such order", 404)
		case "/408":
			w.WriteHeader(http.StatusRequestTimeout)
		case "/429":
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(server.Close)
	a := New(Config{Pool: database(t), Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	id, _ := hold(t, a)
	call := func(path string) (workflows.HTTPResponse, error) {
		return callAs(t, a, workflows.ExecutionID(id), workflows.HTTPRequest{Method: "POST", URL: server.URL + path,
			Headers: map[string]definition.Header{"X-Extra": {Value: "1"}}, Body: json.RawMessage(`{"a":1}`), IdempotencyKey: "e/n"})
	}

	got, err := call("/echo")
	require.NoError(t, err)
	require.Equal(t, 200, got.Status)
	require.JSONEq(t, `{"method":"POST","type":"application/json","key":"e/n","extra":"1","body":"{\"a\":1}"}`, string(got.Body))

	got, err = call("/text")
	require.NoError(t, err)
	require.JSONEq(t, `"plain text �"`, string(got.Body), "what the database cannot store is left out")

	got, err = call("/large")
	require.NoError(t, err)
	require.True(t, got.Truncated)
	require.Len(t, got.Body, maxResponseBytes+2, "the kept part and its quotes")

	got, err = call("/empty")
	require.NoError(t, err)
	require.Equal(t, workflows.HTTPResponse{Status: 204}, got)

	for path, wantRetry := range map[string]bool{"/404": false, "/408": true, "/429": true, "/502": true} {
		_, err := call(path)
		require.Error(t, err)
		require.Equal(t, wantRetry, !isFinal(err), path)
	}
	_, err = call("/404")
	require.ErrorContains(t, err, "answered 404 Not Found: no such order")

	server.Close()
	_, err = call("/echo")
	require.Error(t, err)
	require.False(t, isFinal(err), "no answer is retried")
}

// callAs makes a call for an execution's workflow, as the activity of an http node is run.
func callAs(t *testing.T, a *Activities, workflowID string, r workflows.HTTPRequest) (response workflows.HTTPResponse, err error) {
	t.Helper()
	return callOf(t, a, workflows.ExecutionType, workflowID, r)
}

// callOf makes a call for a workflow of any type.
func callOf(t *testing.T, a *Activities, kind, workflowID string, r workflows.HTTPRequest) (response workflows.HTTPResponse, err error) {
	t.Helper()
	a.beat = recordHeartbeat
	r.Timeout = cmp.Or(r.Timeout, definition.Duration(time.Minute))
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := newWorkflowEnvironment(&suite)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: workflowID, TaskQueue: "q"})
	env.RegisterActivityWithOptions(a.CallHTTP, activity.RegisterOptions{Name: workflows.ActivityCallHTTP})
	node := func(ctx workflow.Context) (out workflows.HTTPResponse, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
		err = workflow.ExecuteActivity(ctx, workflows.ActivityCallHTTP, r).Get(ctx, &out)
		return out, err
	}
	env.RegisterWorkflowWithOptions(node, workflow.RegisterOptions{Name: kind})
	env.ExecuteWorkflow(kind)
	if err := env.GetWorkflowError(); err != nil {
		return response, err
	}
	return response, env.GetWorkflowResult(&response)
}
