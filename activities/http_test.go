package activities

import (
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
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

// All answers of an execution are in its history, which Temporal ends at 50 MiB, and many may be under way when it fails because of too many.
func TestAnAnswerTakesNoMoreOfTheHistoryThanIsKept(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"control characters": strings.Repeat("\x01", maxResponseBytes),
		"a tail of them":     strings.Repeat("a", maxResponseBytes-1000) + strings.Repeat("\x01", 1000),
		"quotes":             strings.Repeat(`"`, maxResponseBytes-1),
		"markup":             strings.Repeat("<", maxResponseBytes),
		"JSON of markup":     `"` + strings.Repeat("<", maxResponseBytes-2) + `"`,
		"no UTF-8":           strings.Repeat("\xff\x01", maxResponseBytes/2),
		"JSON without UTF-8": `{"a":"` + strings.Repeat("\xffa", 1000) + `"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(answers[r.URL.Query().Get("of")]))
	}))
	t.Cleanup(server.Close)
	a := New(Config{Pool: database(t), Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	id, _ := hold(t, a)
	for of, sent := range answers {
		raw := rawCall(t, a, workflows.ExecutionID(id), server.URL+"?of="+url.QueryEscape(of))
		require.LessOrEqual(t, len(raw), maxResponseBytes+100, of)
		var got workflows.HTTPResponse
		require.NoError(t, json.Unmarshal(raw, &got), of)
		require.True(t, utf8.Valid(raw), of)
		switch of {
		case "JSON of markup":
			require.Equal(t, sent, string(got.Body), "it is kept as it came")
			require.False(t, got.Truncated)
		case "markup":
			require.False(t, got.Truncated)
		case "JSON without UTF-8":
			require.Equal(t, byte('"'), got.Body[0], "it is a text")
		case "a tail of them":
			require.True(t, got.Truncated)
			require.Greater(t, len(got.Body), maxResponseBytes*9/10, "most of it is kept")
		default:
			require.True(t, got.Truncated, of)
		}
	}
}

func TestAnErrorOfACallTellsNoAddressOfTheWorker(t *testing.T) {
	t.Parallel()
	to, err := url.Parse("http://a.example/")
	require.NoError(t, err)
	got := callError(to, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "a.example", Server: "10.9.9.9:53", IsNotFound: true}}, nil)
	require.EqualError(t, got, "call http://a.example/: dial tcp: lookup a.example: no such host")
}

// rawCall returns the answer of a call as it goes into the history.
func rawCall(t *testing.T, a *Activities, workflowID, url string) []byte {
	t.Helper()
	a.beat = recordHeartbeat
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := newWorkflowEnvironment(&suite)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: workflowID, TaskQueue: "q"})
	env.RegisterActivityWithOptions(a.CallHTTP, activity.RegisterOptions{Name: workflows.ActivityCallHTTP})
	var data []byte
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
		var out converter.RawValue
		err := workflow.ExecuteActivity(ctx, workflows.ActivityCallHTTP, workflows.HTTPRequest{Method: "GET", URL: url, Timeout: definition.Duration(time.Minute)}).Get(ctx, &out)
		data = out.Payload().GetData()
		return err
	}, workflow.RegisterOptions{Name: workflows.ExecutionType})
	env.ExecuteWorkflow(workflows.ExecutionType)
	require.NoError(t, env.GetWorkflowError())
	return data
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
