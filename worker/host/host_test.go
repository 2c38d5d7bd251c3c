package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
	"sluice/internal/pairing"
	"sluice/internal/store/catalog"
	"sluice/schema"
	"sluice/worker/host"
	"sluice/workflows"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// greet is a user's workflow, with a user's activity.
func greet(ctx workflow.Context, name string) (string, error) {
	if name == "" {
		return "hello", workflow.Sleep(ctx, time.Millisecond)
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var answer string
	err := workflow.ExecuteActivity(ctx, "shout", name).Get(ctx, &answer)
	return answer, err
}

func shout(_ context.Context, name string) (string, error) { return "HELLO " + name, nil }

// patience is for a busy machine; what goes well does not wait.
const patience = 2 * time.Minute

// slowly lets a busy server take its time for the first answer to a client.
var slowly = client.ConnectionOptions{GetSystemInfoTimeout: patience}

// bench is a host on servers of the test's own.
type bench struct {
	pool   *pgxpool.Pool
	client client.Client
	polls  *host.Polls
	host   *host.Host
}

func newBench(t *testing.T, change func(*host.Config)) *bench {
	t.Helper()
	b := newServers(t)
	b.host = b.run(t, change)
	return b
}

// newServers is a bench without a host yet.
func newServers(t *testing.T) *bench {
	t.Helper()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	address, namespace := devtest.Namespace(t, nil)
	pool, err := host.OpenPool(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	quiet := slog.New(slog.DiscardHandler)
	options := client.Options{HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(quiet), ConnectionOptions: slowly}
	polls := host.NewPolls()
	polls.Install(&options)
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	described, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `UPDATE sluice.installation SET id = gen_random_uuid(), namespace = $1, namespace_id = $2`, namespace, described.GetNamespaceInfo().GetId())
	require.NoError(t, err)
	return &bench{pool: pool, client: c, polls: polls}
}

// run runs a host on the servers of the bench until the test ends. It returns at once.
func (b *bench) run(t *testing.T, change func(*host.Config)) *host.Host {
	t.Helper()
	h, stop := b.runUntil(t, change)
	t.Cleanup(func() {
		require.NoError(t, stop())
		require.Error(t, h.Ready())
	})
	return h
}

func (b *bench) runUntil(t *testing.T, change func(*host.Config)) (h *host.Host, stop func() error) {
	t.Helper()
	cfg := host.Config{
		Client: b.client, Polls: b.polls, Pool: b.pool, Logger: slog.New(slog.DiscardHandler),
		PollInterval: 50 * time.Millisecond, IdleTimeout: 300 * time.Millisecond, TurnInterval: 300 * time.Millisecond,
		RegisterWorkflows: func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(greet, workflow.RegisterOptions{Name: "Greet"})
		},
	}
	if change != nil {
		change(&cfg)
	}
	h, err := host.New(cfg)
	require.NoError(t, err)
	ctx, end := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- h.Run(ctx) }()
	return h, sync.OnceValue(func() error {
		end()
		return <-result
	})
}

// occupy makes a workspace active: a held slot, as a claim would leave it.
func (b *bench) occupy(t *testing.T, workspace uuid.UUID) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), `INSERT INTO sluice.running
		(id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
		VALUES (sluice.uuid_v7(), $1, gen_random_uuid(), 3, 0, now(), now(), now(), 'TEST', 'test')`, workspace)
	require.NoError(t, err)
}

func (b *bench) free(t *testing.T, workspace uuid.UUID) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), `DELETE FROM sluice.running WHERE workspace_id = $1`, workspace)
	require.NoError(t, err)
}

// greet asserts instead of requiring, so that it may be called from any goroutine.
func (b *bench) greet(t *testing.T, workspace uuid.UUID, name string) string {
	t.Helper()
	run, err := b.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: fmt.Sprintf("greet-%s", uuid.New()), TaskQueue: workflows.WorkspaceTaskQueue(workspace),
	}, "Greet", name)
	if !assert.NoError(t, err) {
		return ""
	}
	var answer string
	assert.NoError(t, run.Get(t.Context(), &answer))
	return answer
}

func TestMoreWorkspacesThanTheBudgetHolds(t *testing.T) {
	t.Parallel()
	const workspaces, rounds, limit = 12, 3, 3
	b := newBench(t, func(c *host.Config) { c.PollBudget = 12 + 2*limit })
	require.Equal(t, limit, b.host.Stats().Limit)
	over := make(chan int, 1)
	watching, stopWatching := context.WithCancel(t.Context())
	go func() {
		most := 0
		for sample := time.Tick(time.Millisecond); watching.Err() == nil; <-sample {
			most = max(most, b.host.Stats().Hosted)
		}
		over <- most
	}()
	ids := make([]uuid.UUID, workspaces)
	for i := range ids {
		ids[i] = uuid.New()
		b.occupy(t, ids[i])
	}
	var running sync.WaitGroup
	for _, id := range ids {
		running.Go(func() {
			for range rounds { // each has work all the time, so that all contend until the end
				assert.Equal(t, "hello", b.greet(t, id, ""))
			}
		})
	}
	running.Wait()
	for _, id := range ids {
		b.free(t, id)
	}
	stopWatching()
	require.Equal(t, limit, <-over, "the limit is used, and never exceeded")
	require.Eventually(t, func() bool { return b.host.Stats().Hosted == 0 }, patience, 10*time.Millisecond, "idle workers stop")
}

func TestHintedWorkspaceIsServedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *host.Config) { c.PollInterval = time.Hour }) // the queue is looked at once, at the start
	require.Eventually(t, func() bool { return b.host.Ready() == nil }, patience, 10*time.Millisecond)
	id := uuid.New()
	b.host.EnsureWorkspace(id)
	require.Equal(t, "hello", b.greet(t, id, ""))
}

func TestActivitiesOfUsersRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *host.Config) {
		c.RegisterActivities = func(r worker.ActivityRegistry) { r.RegisterActivity(shout) }
	})
	id := uuid.New()
	b.occupy(t, id)
	require.Equal(t, "HELLO Ada", b.greet(t, id, "Ada"))
}

func TestRunOnceAndEndBeforeItBegan(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	require.Eventually(t, func() bool { return b.host.Ready() == nil }, patience, 10*time.Millisecond)
	require.ErrorContains(t, b.host.Run(t.Context()), "runs once")

	h, err := host.New(host.Config{Client: b.client, Pool: b.pool})
	require.NoError(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, h.Run(ended))
}

func TestMissingNamespaceEndsRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	address, _ := devtest.Temporal(t, nil)
	c, err := client.NewLazyClient(client.Options{HostPort: address, Namespace: "nowhere", Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	defer c.Close()
	h, err := host.New(host.Config{Client: c, Pool: b.pool, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.ErrorContains(t, h.Run(t.Context()), "nowhere is not found")
}

func TestNothingIsPolledUntilDatabaseAndNamespaceArePaired(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	require.Eventually(t, func() bool { return b.host.Ready() == nil }, patience, 10*time.Millisecond)
	_, err := b.pool.Exec(t.Context(), `UPDATE sluice.installation SET id = NULL, namespace = NULL, namespace_id = NULL`)
	require.NoError(t, err)
	waiting, err := host.New(host.Config{Client: b.client, Pool: b.pool, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	done := make(chan error, 1)
	go func() { done <- waiting.Run(ctx) }()
	require.Eventually(t, func() bool { return waiting.Ready() == nil }, patience, 10*time.Millisecond)

	// Another database is the first to be started in the namespace.
	run, err := b.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: workflows.DispatcherID, TaskQueue: "nobody", Memo: pairing.Memo(catalog.Installation{ID: uuid.New(), Database: "theirs"}),
	}, workflows.DispatcherType)
	require.NoError(t, err)
	require.ErrorIs(t, <-done, pairing.ErrOtherDatabase)
	require.NoError(t, b.client.TerminateWorkflow(t.Context(), run.GetID(), "", "the test is over"))
}

// A host of another namespace would be a live worker that serves nothing, and the others would leave workspaces to it.
func TestAHostOfAnotherNamespaceEnds(t *testing.T) {
	t.Parallel()
	b := newServers(t)
	address, namespace := devtest.Namespace(t, nil)
	c, err := client.Dial(client.Options{HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)), ConnectionOptions: slowly})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	_, err = b.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: workflows.DispatcherID, TaskQueue: "nobody"}, workflows.DispatcherType)
	require.NoError(t, err)
	h, err := host.New(host.Config{Client: c, Pool: b.pool, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.ErrorIs(t, h.Run(t.Context()), pairing.ErrOtherNamespace)
	require.NoError(t, b.client.TerminateWorkflow(t.Context(), workflows.DispatcherID, "", "the test is over"))
}
