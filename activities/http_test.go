package activities

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"sluice/internal/definition"
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
	a := New(Config{})
	call := func(path string) (workflows.HTTPResponse, error) {
		return a.CallHTTP(context.Background(), workflows.HTTPRequest{Method: "POST", URL: server.URL + path,
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
	require.Equal(t, workflows.HTTPResponse{Status: 204, Body: json.RawMessage{}}, got)

	for path, wantRetry := range map[string]bool{"/404": false, "/408": true, "/429": true, "/502": true} {
		_, err := call(path)
		var refused *temporal.ApplicationError
		require.Equal(t, wantRetry, !errors.As(err, &refused) || !refused.NonRetryable(), path)
	}
	_, err = call("/404")
	require.ErrorContains(t, err, "answered 404 Not Found: no such order")

	server.Close()
	_, err = call("/echo")
	var refused *temporal.ApplicationError
	require.Error(t, err)
	require.False(t, errors.As(err, &refused), "no answer is retried")
}
