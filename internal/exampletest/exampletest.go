// Package exampletest gives the tests of the examples what a deployment has: Postgres, Temporal, the dispatcher, and Sluice's worker
// as a process of its own, with a gateway. The examples run as processes too, so that they are tested as they are.
//
// A workspace is made by its first item, on the plan FREE: two executions at once.
package exampletest

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/devstack/devtest"
	"sluice/internal/operate"
	"sluice/schema"
	"sluice/workflows"
)

// patience is how long a test waits for anything: much longer than it takes on a busy machine.
const patience = 10 * time.Minute

// Stack is where everything is.
type Stack struct {
	DatabaseURL string
	Temporal    string // host and port of the server
	Namespace   string
	Gateway     string // host and port of the worker's gateway

	ctx    context.Context
	pool   *pgxpool.Pool
	client client.Client
}

// Start starts the stack; it ends with the test.
func Start(t *testing.T) *Stack {
	t.Helper()
	worker := Build(t, "sluice/worker")
	ctx, stop := context.WithTimeout(t.Context(), patience)
	t.Cleanup(stop)
	s := &Stack{ctx: ctx}
	s.DatabaseURL = devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	s.Temporal, s.Namespace = devtest.Namespace(t, workflows.SearchAttributeTypes())
	var err error
	s.pool, err = pgxpool.New(ctx, s.DatabaseURL)
	require.NoError(t, err)
	t.Cleanup(s.pool.Close)
	_, err = s.pool.Exec(ctx, `UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	require.NoError(t, err)
	s.client, err = client.DialContext(ctx, client.Options{HostPort: s.Temporal, Namespace: s.Namespace, ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: patience}})
	require.NoError(t, err)
	t.Cleanup(s.client.Close)
	_, err = operate.StartAll(ctx, s.client, s.Namespace, s.pool, operate.StartOptions{Actor: "exampletest"})
	require.NoError(t, err)
	s.startWorker(t, worker)
	return s
}

var gatewayLine = regexp.MustCompile(`gateway address=(\S+)`)

// startWorker returns when the worker works and its gateway has told where it is.
func (s *Stack) startWorker(t *testing.T, binary string) {
	t.Helper()
	stderr := Background(t, s.Command("", binary, "--http-address=", "--gateway=127.0.0.1:0"))
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		t.Log(lines.Text())
		if found := gatewayLine.FindStringSubmatch(lines.Text()); found != nil {
			s.Gateway = found[1]
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return
		}
	}
	t.Fatal("the worker has ended without a gateway")
}

// Build builds a command, and returns where it is.
func Build(t *testing.T, of string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), filepath.Base(of))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, of).CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// Command is a process that knows where everything is. Temporal is, for it, at the address that is given, and without one at the server's.
func (s *Stack) Command(temporal, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(s.ctx, name, args...)
	command.Env = append(os.Environ(), "DATABASE_URL="+s.DatabaseURL, "TEMPORAL_ADDRESS="+cmp.Or(temporal, s.Temporal), "TEMPORAL_NAMESPACE="+s.Namespace)
	return command
}

// Background starts a process that is told to end when the test does, and returns its standard error.
func Background(t *testing.T, command *exec.Cmd) (stderr io.Reader) {
	t.Helper()
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = time.Minute
	stderr, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	})
	return stderr
}

// Run runs a process to its end and returns what it has written to standard output.
func Run(t *testing.T, command *exec.Cmd) (stdout string) {
	t.Helper()
	out, err := command.Output()
	var stderr []byte
	if exit, ok := err.(*exec.ExitError); ok {
		stderr = exit.Stderr
	}
	require.NoError(t, err, "%s%s", out, stderr)
	return string(out)
}

// RequireWithinLimit checks that so many items of a workspace have run, and that no more than its plan allows were open at
// once, by Temporal's own times.
func (s *Stack) RequireWithinLimit(t *testing.T, workspace string, items int) {
	t.Helper()
	var ids []string
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the record may come after the result
		rows, err := s.pool.Query(s.ctx, `
			SELECT e.engine_workflow_id FROM sluice.executions e JOIN sluice.workspaces w ON w.id = e.workspace_id
			WHERE w.external_key = $1 AND e.status = 'COMPLETED'`, workspace)
		require.NoError(c, err)
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(c, err)
		require.Len(c, ids, items)
	}, 3*time.Minute, 100*time.Millisecond)
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, id := range ids {
		described, err := s.client.DescribeWorkflowExecution(s.ctx, id, "")
		require.NoError(t, err)
		info := described.GetWorkflowExecutionInfo()
		changes = append(changes, change{info.GetStartTime().AsTime(), 1}, change{info.GetCloseTime().AsTime(), -1})
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), a.by-b.by) })
	open, most := 0, 0
	for _, c := range changes {
		open += c.by
		most = max(most, open)
	}
	require.LessOrEqual(t, most, 2, "the limit of the plan FREE")
	t.Logf("%s: %d workflows, at most %d at once", workspace, items, most)
}

// Items counts the items that have ever been enqueued.
func (s *Stack) Items(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, s.pool.QueryRow(s.ctx, `SELECT count(*) FROM sluice.queue_items`).Scan(&n))
	return n
}
