package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(t *testing.T, handler http.Handler, path string) (int, healthAnswer) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	var answer healthAnswer
	require.Equal(t, "application/json", recorder.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
	return recorder.Code, answer
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var h health
	handler := h.handler()

	status, answer := get(t, handler, "/healthz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, healthAnswer{Status: "ok"}, answer)
	status, answer = get(t, handler, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, answer.Missing, "servers", "before the servers are connected")

	down := errors.New("connection refused")
	check := func(ctx context.Context) map[string]string {
		_, limited := ctx.Deadline()
		require.True(t, limited)
		return checkAll(ctx, map[string]func(context.Context) error{
			"postgres": func(context.Context) error { return down },
			"temporal": func(context.Context) error { return nil },
		})
	}
	h.missing.Store(&check)
	status, answer = get(t, handler, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, healthAnswer{Status: "not ready", Missing: map[string]string{"postgres": "connection refused"}}, answer)

	down = nil
	status, answer = get(t, handler, "/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, healthAnswer{Status: "ready"}, answer)
}

func TestHealthAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	var logged bytes.Buffer
	log := newLogger(&logged, "json", slog.LevelInfo, false)

	_, err = serveHealth(address{hostPort: taken.Addr().String(), explicit: true}, &health{}, log)
	require.EqualError(t, err, "--health-address "+taken.Addr().String()+" is in use; choose another one or stop what listens there")

	stop, err := serveHealth(address{hostPort: taken.Addr().String()}, &health{}, log)
	require.NoError(t, err, "a default gives way")
	defer stop()
	require.Contains(t, logged.String(), "took a free one")

	_, err = serveHealth(address{hostPort: "nowhere", explicit: true}, &health{}, log)
	require.ErrorContains(t, err, "--health-address nowhere")
	stop, err = serveHealth(address{}, &health{}, log)
	require.NoError(t, err)
	stop()
}

func TestDefaultPortInUseGivesWay(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	number := taken.Addr().(*net.TCPAddr).Port
	var logged bytes.Buffer
	log := newLogger(&logged, "json", slog.LevelInfo, false)

	require.Equal(t, number, port{number: number, explicit: true}.choose("--ui-port", log), "the stack refuses it")
	require.Zero(t, port{number: 0, explicit: true}.choose("--ui-port", log))
	require.Empty(t, logged.String())
	require.Zero(t, port{number: number}.choose("--ui-port", log))
	require.Contains(t, logged.String(), "taking a free one")
	require.NoError(t, taken.Close())
	require.Equal(t, number, port{number: number}.choose("--ui-port", log))
}
