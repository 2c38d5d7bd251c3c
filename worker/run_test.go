package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"

	"sluice/internal/devstack"
	"sluice/internal/devstack/devtest"
	"sluice/schema"
	"sluice/workflows"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// output is a stream that a test reads while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs the worker until the returned stop is called, which returns what run returned.
func start(t *testing.T, c config) (stdout, stderr *output, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stdout, stderr = &output{}, &output{}
	result := make(chan error, 1)
	go func() { result <- run(ctx, c, stdout, stderr) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	t.Cleanup(func() {
		_ = stop()
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	return stdout, stderr, stop
}

// settings are the defaults without fixed ports.
func settings(change func(*config)) config {
	free := port{explicit: true}
	c := config{postgres: free, temporal: free, ui: free, logFormat: "text", logLevel: slog.LevelInfo, connections: 8, patience: time.Minute}
	change(&c)
	return c
}

// startPatience is how long a worker may take to start, with the servers of --dev too, on a busy machine: the first time Temporal's is built,
// which has taken more than five minutes beside other tests.
const startPatience = 9 * time.Minute

func isReady(stdout *output) func() bool {
	return func() bool { return strings.HasSuffix(stdout.String(), "\nready\n") }
}

func migrated(t *testing.T) string {
	t.Helper()
	return devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
}

func TestDevRunsAndStops(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	stdout, stderr, stop := start(t, settings(func(c *config) {
		c.dev, c.devDir, c.http = true, dir, address{hostPort: "127.0.0.1:0", explicit: true}
	}))
	require.Eventually(t, isReady(stdout), startPatience, 20*time.Millisecond)
	require.Regexp(t, `\Apostgres: postgres://\S+@127\.0\.0\.1:\d+/sluice\S*\ntemporal: 127\.0\.0\.1:\d+\nui: http://127\.0\.0\.1:\d+\ndashboard: http://127\.0\.0\.1:\d+/\nready\n\z`, stdout.String())
	running, err := devstack.ReadAddresses(dir)
	require.NoError(t, err)
	require.Contains(t, stdout.String(), running.DatabaseURL)

	readyz := regexp.MustCompile(`http://\S+/readyz`).FindString(stderr.String())
	// answers waits until an address answers like this: on a busy machine what is asked for may not be told in time at first.
	answers := func(at, with string) (body string) {
		t.Helper()
		require.Eventually(t, func() bool {
			response, err := http.Get(at) //nolint:noctx // the worker under test answers
			if err != nil {
				return false
			}
			defer response.Body.Close()
			raw, err := io.ReadAll(response.Body)
			body = string(raw)
			return err == nil && strings.Contains(body, with)
		}, time.Minute, 50*time.Millisecond, "%s: %s", at, with)
		return body
	}
	require.JSONEq(t, `{"status": "ready"}`, answers(readyz, `"ready"`))
	require.Contains(t, answers(strings.Replace(readyz, "/readyz", "/api/v1/status", 1), `"dispatcher":{"phase":`), `"webUrl":"http://127.0.0.1:`)
	require.Contains(t, stderr.String(), "asks for no token")

	began := time.Now()
	require.NoError(t, stop())
	t.Log("stopped in", time.Since(began))
	require.Contains(t, stderr.String(), "shutting down")
	_, err = devstack.ReadAddresses(dir)
	require.ErrorIs(t, err, devstack.ErrNotRunning)
	http.DefaultClient.CloseIdleConnections()
}

// The dispatcher is there, and no worker that would take a task of it.
func TestServersOnlyLeavesTheWorkToOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	stdout, _, stop := start(t, settings(func(c *config) { c.dev, c.serversOnly, c.devDir = true, true, dir }))
	require.Eventually(t, isReady(stdout), startPatience, 20*time.Millisecond)
	running, err := devstack.ReadAddresses(dir)
	require.NoError(t, err)
	temporal, err := client.Dial(client.Options{HostPort: running.TemporalAddress, Namespace: running.Namespace, ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute}})
	require.NoError(t, err)
	defer temporal.Close()
	found, err := temporal.DescribeWorkflowExecution(t.Context(), workflows.DispatcherID, "")
	require.NoError(t, err)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, found.GetWorkflowExecutionInfo().GetStatus())
	queue, err := temporal.DescribeTaskQueue(t.Context(), workflows.TaskQueueDefault, enums.TASK_QUEUE_TYPE_WORKFLOW)
	require.NoError(t, err)
	require.Empty(t, queue.GetPollers())
	require.NoError(t, stop())
}

func TestDevPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, err = runOnce(t, settings(func(c *config) {
		c.dev, c.devDir, c.temporal.number = true, t.TempDir(), taken.Addr().(*net.TCPAddr).Port
	}))
	require.ErrorContains(t, err, "is in use; choose another with --temporal-port")
}

func TestRealServers(t *testing.T) {
	address, namespace := devtest.Namespace(t, nil)
	t.Setenv("TEMPORAL_ADDRESS", address)
	t.Setenv("TEMPORAL_NAMESPACE", namespace)
	stdout, _, stop := start(t, settings(func(c *config) { c.databaseURL = withSecret(migrated(t)) }))
	require.Eventually(t, isReady(stdout), startPatience, 20*time.Millisecond)
	require.Regexp(t, `\Apostgres: postgres://\S+:xxxxx@127\.0\.0\.1:\d+/\S+\ntemporal: `+regexp.QuoteMeta(address)+`\nready\n\z`, stdout.String())
	require.NotContains(t, stdout.String(), "s3cret")
	require.NoError(t, stop())

	t.Run("a schema that is missing", func(t *testing.T) {
		empty := devtest.Postgres(t)
		_, err := runOnce(t, settings(func(c *config) { c.databaseURL = empty }))
		require.ErrorIs(t, err, schema.ErrNotMigrated)
		require.ErrorContains(t, err, "--migrate")
		stdout, _, stop := start(t, settings(func(c *config) { c.databaseURL, c.migrate = empty, true }))
		require.Eventually(t, isReady(stdout), startPatience, 20*time.Millisecond)
		require.NoError(t, stop())
	})
	t.Run("a database that is down", func(t *testing.T) {
		stderr, err := runOnce(t, settings(func(c *config) { c.databaseURL, c.patience = "postgres://me:s3cret@127.0.0.1:1/db", 3*time.Second }))
		require.EqualError(t, err, "cannot use Postgres at 127.0.0.1:1: connection refused; is it running, and is DATABASE_URL right?")
		require.Contains(t, stderr, "waiting for Postgres at 127.0.0.1:1")
	})
	t.Run("a namespace that is missing", func(t *testing.T) {
		t.Setenv("TEMPORAL_NAMESPACE", "nowhere")
		_, err := runOnce(t, settings(func(c *config) { c.databaseURL = migrated(t) }))
		require.ErrorContains(t, err, `namespace "nowhere" does not exist`)
	})
}

// runOnce is for runs that end by themselves.
func runOnce(t *testing.T, c config) (stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	var logged output
	err = run(ctx, c, io.Discard, &logged)
	require.NoError(t, ctx.Err(), "it ended by itself")
	return logged.String(), err
}

func withSecret(url string) string { return strings.Replace(url, "@", ":s3cret@", 1) }

func TestAGatewayIsServed(t *testing.T) {
	address, namespace := devtest.Namespace(t, nil)
	t.Setenv("TEMPORAL_ADDRESS", address)
	t.Setenv("TEMPORAL_NAMESPACE", namespace)
	url := migrated(t)
	stdout, stderr, stop := start(t, settings(func(c *config) { c.databaseURL, c.gateway = url, "127.0.0.1:0" }))
	require.Eventually(t, isReady(stdout), startPatience, 20*time.Millisecond)
	through := regexp.MustCompile(`gateway address=(\S+)`).FindStringSubmatch(stderr.String())
	require.NotNil(t, through, stderr.String())
	c, err := client.Dial(client.Options{HostPort: through[1], Namespace: namespace, ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute}})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "q", Priority: temporal.Priority{FairnessKey: "nobody"}}, "W")
	require.ErrorContains(t, err, "unknown workspace")
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var own int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice gateway'`).Scan(&own))
	require.NotZero(t, own, "its callers do not use the connections of the dispatcher")
	require.NoError(t, stop())

	_, err = runOnce(t, settings(func(c *config) { c.databaseURL, c.gateway = url, ":0" }))
	require.ErrorContains(t, err, "others can reach --gateway :0: set --gateway-tls-cert")
}
