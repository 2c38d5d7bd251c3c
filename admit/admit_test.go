package admit_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"sluice/admit"
	"sluice/internal/devstack/devtest"
	"sluice/queue"
	"sluice/schema"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// frontend is a fake that starts everything.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
}

func (frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (frontend) StartWorkflowExecution(context.Context, *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "of-temporal", Started: true}, nil
}

// counters counts by the tag call.
type counters struct {
	client.MetricsHandler
	mu    *sync.Mutex
	calls map[string]int64
	call  string
}

func (c counters) WithTags(tags map[string]string) client.MetricsHandler {
	return counters{c.MetricsHandler, c.mu, c.calls, tags["call"]}
}

func (c counters) Counter(name string) client.MetricsCounter {
	if name != "sluice_not_admitted" {
		return c.MetricsHandler.Counter(name)
	}
	return counter(func(by int64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls[c.call] += by
	})
}

type counter func(by int64)

func (c counter) Inc(by int64) { c(by) }

func setup(t *testing.T, of admit.WorkspaceOf) (c client.Client, q *queue.Client, counts *counters) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, frontend{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	pool, err := pgxpool.New(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `INSERT INTO sluice.workspaces (name, external_key) VALUES ('Acme', 'acme')`)
	require.NoError(t, err)
	q, counts = queue.New(pool), &counters{client.MetricsNopHandler, &sync.Mutex{}, map[string]int64{}, ""}
	options := client.Options{HostPort: listener.Addr().String(), MetricsHandler: counts, ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute}}
	admit.Install(&options, q, of)
	c, err = client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, q, counts
}

// start starts a workflow and tells whether it waits in the queue.
func start(t *testing.T, ctx context.Context, c client.Client, q *queue.Client, options client.StartWorkflowOptions) (waits bool) {
	t.Helper()
	options.TaskQueue = "invoices"
	run, err := c.ExecuteWorkflow(ctx, options, "SendInvoice", 4711)
	require.NoError(t, err)
	id, err := uuid.Parse(run.GetRunID())
	if err != nil {
		return false
	}
	item, err := q.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, run.GetID(), item.WorkflowID)
	return true
}

var ofAcme = client.StartWorkflowOptions{Priority: temporal.Priority{FairnessKey: "acme"}}

func TestTheFairnessKeyNamesTheWorkspaceByDefault(t *testing.T) {
	t.Parallel()
	c, q, counts := setup(t, nil)
	require.True(t, start(t, t.Context(), c, q, ofAcme))
	require.False(t, start(t, t.Context(), c, q, client.StartWorkflowOptions{}))
	require.True(t, start(t, admit.WithWorkspace(t.Context(), "acme"), c, q, client.StartWorkflowOptions{}))
	require.False(t, start(t, admit.WithWorkspace(t.Context(), ""), c, q, ofAcme))
	require.Equal(t, map[string]int64{"Start": 2}, counts.calls)
}

func TestAnApplicationSaysWhoseAStartIs(t *testing.T) {
	t.Parallel()
	c, q, _ := setup(t, func(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) string {
		if r.GetWorkflowId() == "free" {
			return ""
		}
		return "acme"
	})
	require.True(t, start(t, t.Context(), c, q, client.StartWorkflowOptions{}))
	require.False(t, start(t, t.Context(), c, q, client.StartWorkflowOptions{ID: "free", Priority: ofAcme.Priority}))
	require.False(t, start(t, admit.WithWorkspace(t.Context(), ""), c, q, client.StartWorkflowOptions{}))
}

func TestAnIDThatWaitsIsFoundOrAnError(t *testing.T) {
	t.Parallel()
	c, q, _ := setup(t, nil)
	options := ofAcme
	options.ID, options.TaskQueue = "invoice-1", "invoices"
	first, err := c.ExecuteWorkflow(t.Context(), options, "SendInvoice")
	require.NoError(t, err)
	second, err := c.ExecuteWorkflow(t.Context(), options, "SendInvoice")
	require.NoError(t, err)
	require.Equal(t, first.GetRunID(), second.GetRunID())
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	_, err = c.ExecuteWorkflow(t.Context(), options, "SendInvoice")
	require.True(t, temporal.IsWorkflowExecutionAlreadyStartedError(err), "%v", err)

	require.ErrorContains(t, c.SignalWorkflow(t.Context(), "invoice-1", first.GetRunID(), "s", nil), "waits in the queue as item "+first.GetRunID())
	require.NoError(t, c.CancelWorkflow(t.Context(), "invoice-1", first.GetRunID()))
	require.True(t, temporal.IsCanceledError(first.Get(t.Context(), nil)))
	items, err := q.List(t.Context(), queue.Filter{})
	require.NoError(t, err)
	require.Len(t, items, 1)
}

// An error that no further try can mend comes at once, although the SDK tries again for as long as the context lets it.
func TestAStartThatCannotBeAdmittedIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	c, _, _ := setup(t, nil)
	options := ofAcme
	options.TaskQueue, options.CronSchedule = "invoices", "* * * * *"
	_, err := c.ExecuteWorkflow(t.Context(), options, "SendInvoice")
	require.ErrorContains(t, err, "let a Temporal schedule start a workflow that enqueues")
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "invoices", Priority: temporal.Priority{FairnessKey: "globex"}}, "SendInvoice")
	require.ErrorContains(t, err, "unknown workspace")
}
