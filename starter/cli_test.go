package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/schema"
	"sluice/workflows"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// environment is a process environment of the test's own, so that tests can run in parallel.
type environment map[string]string

func (e environment) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

func (e environment) Environ() []string {
	var all []string
	for name, value := range e {
		all = append(all, name+"="+value)
	}
	return all
}

// cli runs the command line in this process.
type cli struct {
	t     testing.TB
	env   environment
	stdin string
	ahead time.Duration // of this machine's clock
}

type outcome struct {
	stdout, stderr string
	code           int
}

// newCLI knows no server: no variable is set, and neither a profile file nor a dev stack is found.
func newCLI(t testing.TB) cli {
	t.Helper()
	empty := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	return cli{t: t, env: environment{"TEMPORAL_CONFIG_FILE": empty, "SLUICE_DEV_DIR": t.TempDir()}}
}

// onPostgres has a migrated database of its own, and a Temporal that is down.
func onPostgres(t testing.TB) cli {
	t.Helper()
	c := newCLI(t)
	c.env["DATABASE_URL"] = devtest.PostgresFrom(t, "sluice", migrate)
	c.env["TEMPORAL_ADDRESS"] = "127.0.0.1:1"
	return c
}

// onBoth has a namespace of its own as well.
func onBoth(t testing.TB) cli {
	t.Helper()
	c := onPostgres(t)
	c.env["TEMPORAL_ADDRESS"], c.env["TEMPORAL_NAMESPACE"] = devtest.Namespace(t, workflows.SearchAttributeTypes())
	return c
}

func migrate(ctx context.Context, url string) error {
	_, err := schema.Migrate(ctx, url)
	return err
}

func (c cli) run(args ...string) outcome {
	c.t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(c.t.Context(), surroundings{
		stdin: strings.NewReader(c.stdin), stdout: &stdout, stderr: &stderr, env: c.env, user: "ann",
		now: func() time.Time { return time.Now().Add(c.ahead) },
	}, args)
	return outcome{stdout: stdout.String(), stderr: stderr.String(), code: code}
}

// ok runs a command that must succeed and returns its stdout.
func (c cli) ok(args ...string) string {
	c.t.Helper()
	out := c.run(args...)
	require.Zero(c.t, out.code, "starter %s: %s", strings.Join(args, " "), out.stderr)
	return out.stdout
}

// object runs a command with --json and decodes its result.
func (c cli) object(args ...string) map[string]any {
	c.t.Helper()
	var value map[string]any
	text := c.ok(append(args, "--json")...)
	require.NoError(c.t, json.Unmarshal([]byte(text), &value), text)
	return value
}

// array is object for a result that is a list.
func (c cli) array(args ...string) []map[string]any {
	c.t.Helper()
	var value []map[string]any
	text := c.ok(append(args, "--json")...)
	require.NoError(c.t, json.Unmarshal([]byte(text), &value), text)
	require.NotNil(c.t, value, "an empty list must be [], not null")
	return value
}

// pool is the database without the CLI in front of it.
func (c cli) pool() *pgxpool.Pool {
	c.t.Helper()
	pool, err := store.Open(c.t.Context(), c.env["DATABASE_URL"], 4)
	require.NoError(c.t, err)
	c.t.Cleanup(pool.Close)
	return pool
}

// exec runs a statement on the database.
func (c cli) exec(sql string, args ...any) {
	c.t.Helper()
	_, err := c.pool().Exec(c.t.Context(), sql, args...)
	require.NoError(c.t, err)
}

// temporal is Temporal without the CLI in front of it.
func (c cli) temporal() client.Client {
	c.t.Helper()
	dialed, err := client.DialContext(c.t.Context(), client.Options{
		HostPort: c.env["TEMPORAL_ADDRESS"], Namespace: c.env["TEMPORAL_NAMESPACE"], Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute},
	})
	require.NoError(c.t, err)
	c.t.Cleanup(dialed.Close)
	return dialed
}

const exampleDefinition = `{"name": "greet", "nodes": [
	{"id": "00000000-0000-4000-8000-000000000001", "name": "first", "type": "noop"},
	{"id": "00000000-0000-4000-8000-000000000002", "name": "second", "type": "noop", "needs": ["00000000-0000-4000-8000-000000000001"]}]}`

// workspace creates a workspace with a definition and returns both ids.
func (c cli) workspace() (workspace, definition string) {
	c.t.Helper()
	workspace = c.object("workspace", "create", "acme", "--plan", "PRO")["id"].(string)
	c.stdin = exampleDefinition
	definition = c.object("definition", "apply", "-", "--workspace", workspace)["id"].(string)
	return workspace, definition
}

func (c cli) enqueue(args ...string) string {
	c.t.Helper()
	workspace, definition := c.workspace()
	return c.object(append([]string{"enqueue", "--workspace", workspace, "--definition", definition}, args...)...)["queueId"].(string)
}

// texts are the rows of a query of one text.
func (c cli) texts(sql string, args ...any) []string {
	c.t.Helper()
	list, err := store.Values[string](c.t.Context(), c.pool(), sql, args...)
	require.NoError(c.t, err)
	return list
}
