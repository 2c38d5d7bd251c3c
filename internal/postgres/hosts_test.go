package postgres_test

import (
	"context"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/postgres"
)

// silent is the address of a host that takes connections and answers none, as one does that was cut off.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
		}
	})
	return l.Addr().String()
}

// The first of several hosts is often the one that a failover has left.
func TestAHostThatDoesNotAnswerIsPassedOver(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(with(t, devtest.Postgres(t), "target_session_attrs", "read-write"))
	require.NoError(t, err)
	u.Host = silent(t) + "," + u.Host
	pool := open(t, u.String())
	require.Eventually(t, func() bool { // a busy machine may take longer than a host may
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // as long as a command waits for a server
		defer cancel()
		return pool.Ping(ctx) == nil
	}, time.Minute, 10*time.Millisecond)
}

func TestHowLongAHostMayTake(t *testing.T) {
	t.Parallel()
	for databaseURL, want := range map[string]time.Duration{
		"postgres://ann@one:5432/shop":                                 0, // others decide
		"postgres://ann@one:5432,two:5432/shop":                        2 * time.Second,
		"postgres://ann@one:5432,one:5433/shop?sslmode=disable":        2 * time.Second,
		"postgres://ann@one:5432,two:5432/shop?connect_timeout=7":      7 * time.Second,
		"host=/run/one,/run/two dbname=shop":                           2 * time.Second,
		"host=one dbname=shop sslmode=prefer target_session_attrs=any": 0, // tried with TLS and without it
	} {
		config, err := postgres.Config(databaseURL)
		require.NoError(t, err)
		require.Equal(t, want, config.ConnConfig.ConnectTimeout, databaseURL)
	}
}
