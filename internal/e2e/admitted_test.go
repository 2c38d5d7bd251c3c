package e2e

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/admit"
	gw "sluice/internal/gateway"
	"sluice/worker/host"
)

// An application that knows nothing of the queue: its client has one line more, or another address.
func TestAnApplicationsOwnStartsWaitForTheirWorkspace(t *testing.T) {
	for name, dial := range map[string]func(s *stack, options client.Options) client.Client{
		"admit": func(s *stack, options client.Options) client.Client {
			options.HostPort = s.address
			admit.Install(&options, s.queue, nil)
			return s.dial(options)
		},
		"gateway": func(s *stack, options client.Options) client.Client {
			options.HostPort = s.gateway()
			return s.dial(options)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			secret := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), converter.NewZlibCodec(converter.ZlibCodecOptions{AlwaysEncode: true}))
			app := dial(s, client.Options{Namespace: s.namespace, DataConverter: secret, Identity: "app"})
			s.run()
			s.serveOrders(app)
			ws := s.workspace(s.tier(1))
			start := func(id string) client.WorkflowRun {
				t.Helper()
				run, err := app.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: id, TaskQueue: "orders",
					Priority: temporal.Priority{FairnessKey: ws.ID.String()}}, "Order", id)
				require.NoError(t, err)
				return run
			}
			first, second, third := start("first"), start("second"), start("third")
			s.await(uuid.MustParse(first.GetRunID()), "RUNNING")

			// The second waits.
			for _, run := range []string{"", second.GetRunID()} {
				described, err := app.DescribeWorkflowExecution(s.ctx, "second", run)
				require.NoError(t, err)
				require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, described.GetWorkflowExecutionInfo().GetStatus())
				require.Equal(t, second.GetRunID(), described.GetWorkflowExecutionInfo().GetExecution().GetRunId())
				require.ErrorAs(t, app.SignalWorkflow(s.ctx, "second", run, "go", nil), new(*serviceerror.FailedPrecondition))
			}
			require.Equal(t, second.GetRunID(), start("second").GetRunID(), "it is started already")
			require.NoError(t, app.CancelWorkflow(s.ctx, "third", ""))
			require.True(t, temporal.IsCanceledError(third.Get(s.ctx, nil)))

			results := make(chan string, 1)
			go func() {
				var result string
				if err := second.Get(s.ctx, &result); err != nil {
					result = err.Error()
				}
				results <- result
			}()
			require.NoError(t, app.SignalWorkflow(s.ctx, "first", "", "go", nil))
			var result string
			require.NoError(t, first.Get(s.ctx, &result))
			require.Equal(t, "done with first", result)
			again := start("first") // at once: its end need not have been recorded
			require.NotEqual(t, first.GetRunID(), again.GetRunID(), "its id is free after its end")
			s.await(uuid.MustParse(second.GetRunID()), "RUNNING")
			require.NoError(t, app.SignalWorkflow(s.ctx, "second", second.GetRunID(), "go", nil))
			require.Equal(t, "done with second", <-results)

			described, err := app.DescribeWorkflowExecution(s.ctx, "second", second.GetRunID())
			require.NoError(t, err)
			require.NotEqual(t, second.GetRunID(), described.GetWorkflowExecutionInfo().GetExecution().GetRunId(), "it has run in Temporal")
			require.Equal(t, 1, s.peak(ws.ID))
			s.await(uuid.MustParse(again.GetRunID()), "RUNNING")
			require.NoError(t, app.SignalWorkflow(s.ctx, "first", again.GetRunID(), "go", nil))
			require.NoError(t, again.Get(s.ctx, nil))
			s.awaitCount(0, "SELECT count(*) FROM sluice.running")
			s.audit()
		})
	}
}

// It would take an item that waits for a workflow that runs.
func TestAHostDoesNotTakeAnAdmittedClient(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	options := client.Options{HostPort: s.address, Namespace: s.namespace}
	admit.Install(&options, s.queue, nil)
	h, err := host.New(host.Config{Client: s.dial(options), Pool: s.pool})
	require.NoError(t, err)
	require.ErrorContains(t, h.Run(s.ctx), "dial another one for the host")
}

func (s *stack) dial(options client.Options) client.Client {
	s.t.Helper()
	options.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	options.ConnectionOptions.GetSystemInfoTimeout = patience
	host.Install(&options)
	c, err := client.Dial(options)
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

// gateway serves one to the end of the test, and returns its address.
func (s *stack) gateway() (address string) {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	g, err := gw.New(gw.Config{Listener: listener, Upstream: client.Options{HostPort: s.address, Namespace: s.namespace}, Queue: s.queue})
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx, time.Second) }()
	s.t.Cleanup(func() {
		cancel()
		require.NoError(s.t, <-done)
	})
	return listener.Addr().String()
}

// serveOrders runs the application's worker: an order waits for its signal.
func (s *stack) serveOrders(c client.Client) {
	s.t.Helper()
	w := worker.New(c, "orders", worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, name string) (string, error) {
		workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
		return "done with " + name, nil
	}, workflow.RegisterOptions{Name: "Order"})
	require.NoError(s.t, w.Start())
	s.t.Cleanup(w.Stop)
}
