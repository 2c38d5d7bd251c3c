package e2e

import (
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"sluice/internal/alive"
	"sluice/internal/chaos/cluster"
	"sluice/internal/connect"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// silenced has a worker process reach both servers through proxies, as the worker's own connections are made.
func (s *stack) silenced() (postgres, temporal *cluster.Proxy) {
	s.t.Helper()
	target, err := url.Parse(s.url)
	require.NoError(s.t, err)
	postgres = s.proxy(target.Host)
	temporal = s.proxy(s.address)
	temporal.PassClose() // or Temporal, unlike Postgres, would hand tasks to polls of the lost connection, for a minute
	target.Host = postgres.Address
	pool, err := store.Open(s.ctx, target.String(), 20)
	require.NoError(s.t, err)
	s.t.Cleanup(pool.Close)
	options := client.Options{HostPort: temporal.Address, Namespace: s.namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	host.Install(&options)
	c, err := connect.Temporal(s.ctx, options, connect.Wait{Patience: patience})
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	s.host(func(config *host.Config) { config.Client, config.Pool, config.PollInterval = c, pool, 0 })
	return postgres, temporal
}

func (s *stack) proxy(target string) *cluster.Proxy {
	s.t.Helper()
	p, err := cluster.NewProxy(target)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, p.Close()) })
	return p
}

// listenersPort is the port from which the dispatcher listens: nothing else looks at events while it waits.
func (s *stack) listenersPort() (port int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		return s.pool.QueryRow(s.ctx, `SELECT client_port FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()
			  AND query LIKE '-- What the dispatcher of a shard has not heard%' AND query_start > (SELECT since + interval '2 s' FROM sluice.listeners)
			ORDER BY query_start DESC LIMIT 1`).Scan(&port) == nil
	}, patience, time.Millisecond)
	return port
}

// soon is within what an item must be dispatched although a connection is lost: 10 s, and thrice that on a machine that is busy with other
// tests. Nothing but its being found out ends the wait on a lost connection.
const soon = 3 * 10 * time.Second

func TestADispatcherWhoseConnectionsAreLostGoesOnSoon(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, s *stack, postgres, temporal *cluster.Proxy){
		"the listener's": func(t *testing.T, s *stack, postgres, _ *cluster.Proxy) {
			port := s.listenersPort()
			require.Equal(t, 1, postgres.Swallow(func(p int) bool { return p == port }))
		},
		"all to Postgres":   func(t *testing.T, _ *stack, postgres, _ *cluster.Proxy) { require.Positive(t, postgres.Swallow(nil)) },
		"those to Temporal": func(t *testing.T, _ *stack, _, temporal *cluster.Proxy) { require.Positive(t, temporal.Swallow(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			w := s.workspace("PRO")
			d := s.definition(w.ID, node{kind: "noop"})
			postgres, temporal := s.silenced()
			s.dispatch(workflows.State{})
			s.await(s.enqueue(queue.Item{WorkspaceID: w.ID, DefinitionID: d.ID}), workflows.StatusCompleted)
			s.awaitWaiting(1)

			lose(t, s, postgres, temporal)
			began := time.Now()
			id := s.enqueue(queue.Item{WorkspaceID: w.ID, DefinitionID: d.ID})
			s.awaitCount(1, `SELECT count(*) FROM sluice.executions WHERE id = $1 AND started_at IS NOT NULL`, id)
			took := time.Since(began)
			t.Logf("dispatched after %s", took.Round(100*time.Millisecond))
			require.Less(t, took, soon)
			s.await(id, workflows.StatusCompleted)
			if name == "the listener's" {
				status, err := operate.StatusOf(s.ctx, s.client, 0)
				require.NoError(t, err)
				require.Contains(t, status.LastError, alive.ErrLost.Error(), "an operator can see why it took so long")
			}
		})
	}
}
