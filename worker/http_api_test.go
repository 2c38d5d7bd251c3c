package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheAPIAnswersForTheNamesThatItWasGiven(t *testing.T) {
	t.Parallel()
	for at, want := range map[string][]string{
		"127.0.0.1:8077": {"sluice.example", "127.0.0.1"}, ":8077": {"sluice.example"}, "0.0.0.0:8077": {"sluice.example"}, "[::]:8077": {"sluice.example"},
		"10.1.2.3:8077": {"sluice.example", "10.1.2.3"}, "worker-1.internal:8077": {"sluice.example", "worker-1.internal"},
	} {
		require.Equal(t, want, hostsOf(config{http: address{hostPort: at}, httpHosts: []string{"sluice.example"}}), at)
	}
	for ip, loopback := range map[string]bool{"127.0.0.1": true, "127.1.2.3": true, "::1": true, "0.0.0.0": false, "::": false, "10.1.2.3": false} {
		require.Equal(t, loopback, isLoopback(&net.TCPAddr{IP: net.ParseIP(ip)}), ip)
	}
}

func TestBeforeThereAreServersTheAPISaysSo(t *testing.T) {
	t.Parallel()
	var h health
	recorder := httptest.NewRecorder()
	h.handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/items", nil))
	require.Equal(t, http.StatusServiceUnavailable, recorder.Code)
	require.Equal(t, "application/problem+json", recorder.Header().Get("Content-Type"))
	require.Equal(t, "1", recorder.Header().Get("Retry-After"))
}
