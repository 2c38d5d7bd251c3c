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
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/web/access"
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

// Who asks has to send, to take the answer, and to ask again within a time: else connections that do nothing pile up.
func TestHealthConnectionsThatDoNothingEnd(t *testing.T) {
	t.Parallel()
	server := new(health).server(slog.New(slog.DiscardHandler))
	for what, limit := range map[string]time.Duration{"read": server.ReadTimeout, "write": server.WriteTimeout, "idle": server.IdleTimeout} {
		require.Positive(t, limit, what)
		require.LessOrEqual(t, limit, time.Minute, what)
	}
	require.Greater(t, server.WriteTimeout, checkTimeout, "/readyz answers in time")
}

func TestHTTPAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	var logged bytes.Buffer
	log := newLogger(&logged, "json", slog.LevelInfo, false)

	_, _, err = serveHTTP(address{hostPort: taken.Addr().String(), explicit: true}, &health{}, log)
	require.EqualError(t, err, "--http-address "+taken.Addr().String()+" is in use; choose another one or stop what listens there")

	_, stop, err := serveHTTP(address{hostPort: taken.Addr().String()}, &health{}, log)
	require.NoError(t, err, "a default gives way")
	defer stop()
	require.Contains(t, logged.String(), "took a free one")

	_, _, err = serveHTTP(address{hostPort: "nowhere", explicit: true}, &health{}, log)
	require.ErrorContains(t, err, "--http-address nowhere")
	_, stop, err = serveHTTP(address{}, &health{}, log)
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
	require.Eventually(t, func() bool { // another process may have the port for a moment
		return port{number: number}.choose("--ui-port", log) == number
	}, time.Minute, 10*time.Millisecond)
}

// A page that has let its name point here could read what is answered; a pod is asked by its address.
func TestMetricsAnswerForNamesOfTheWorkerAndForAddresses(t *testing.T) {
	t.Parallel()
	m, err := newMetrics()
	require.NoError(t, err)
	defer m.close()
	h := health{metrics: m.page(), guard: access.New(access.Config{Hosts: []string{"sluice.svc"}})}
	for host, want := range map[string]int{
		"localhost:8077": http.StatusOK, "127.0.0.1": http.StatusOK, "10.1.2.3:8077": http.StatusOK, "[fd00::1]:8077": http.StatusOK, "sluice.svc:8077": http.StatusOK,
		"evil.example": http.StatusForbidden, "10.1.2.3.evil.example:8077": http.StatusForbidden, "": http.StatusForbidden,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/metrics", nil)
		r.Host = host
		answer := httptest.NewRecorder()
		h.handler().ServeHTTP(answer, r)
		require.Equal(t, want, answer.Code, host)
	}
}
