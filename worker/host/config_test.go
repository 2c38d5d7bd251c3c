package host

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"sluice/workflows"
)

// lazyClient has connected to nothing.
func lazyClient(t *testing.T) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// unusedPool has connected to nothing.
func unusedPool(t *testing.T, maxConns int32) *pgxpool.Pool {
	t.Helper()
	pool, err := OpenPool(t.Context(), "postgres://127.0.0.1:1/none", maxConns)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestNewFillsInDefaults(t *testing.T) {
	t.Parallel()
	h, err := New(Config{Client: lazyClient(t), Pool: unusedPool(t, 2)})
	require.NoError(t, err)
	require.Equal(t, DefaultPollBudget, h.cfg.PollBudget)
	require.Equal(t, DefaultIdleTimeout, h.cfg.IdleTimeout)
	require.Equal(t, (1000-12)/2, h.Stats().Limit)
	require.ErrorContains(t, h.Ready(), "do not poll Temporal yet")
}

func TestActivitiesTakeMoreOfTheBudget(t *testing.T) {
	t.Parallel()
	h, err := New(Config{Client: lazyClient(t), Pool: unusedPool(t, 2), RegisterActivities: func(worker.ActivityRegistry) {}})
	require.NoError(t, err)
	require.Equal(t, (1000-12)/3, h.Stats().Limit)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"client is missing": func(c *Config) { c.Client = nil },
		"pool is missing":   func(c *Config) { c.Pool = nil },
		"a pool of one connection is too small: give it at least 2": func(c *Config) { c.Pool = unusedPool(t, 1) },
		"a pool that describes no statements (default_query_exec_mode=exec)": func(c *Config) {
			pool, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/none?default_query_exec_mode=exec")
			require.NoError(t, err)
			t.Cleanup(pool.Close)
			c.Pool = pool
		},
		"poll budget 13 leaves no room for a workspace worker: give at least 14": func(c *Config) { c.PollBudget = 13 },
		"poll interval must be positive":                                         func(c *Config) { c.PollInterval = -time.Second },
		"idle timeout must be positive":                                          func(c *Config) { c.IdleTimeout = -time.Second },
		"turn interval must be positive":                                         func(c *Config) { c.TurnInterval = -time.Second },
		"shutdown timeout must be positive":                                      func(c *Config) { c.ShutdownTimeout = -time.Second },
		"external concurrency must be positive":                                  func(c *Config) { c.ExternalConcurrency = -1 },
		`register workflows: workflow name "Execution" is already registered`: func(c *Config) {
			c.RegisterWorkflows = func(r worker.WorkflowRegistry) { workflows.RegisterWorkspace(r) }
		},
		"external rate must not be negative":       func(c *Config) { c.ExternalPerSecond = -1 },
		"external task-queue rate must not be neg": func(c *Config) { c.ExternalTaskQueuePerSecond = -1 },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			c := Config{Client: lazyClient(t), Pool: unusedPool(t, 2), PollBudget: 14}
			change(&c)
			_, err := New(c)
			require.ErrorContains(t, err, want)
		})
	}
}
