package gateway_test

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"sluice/internal/devstack/devtest"
	"sluice/internal/gateway"
	"sluice/queue"
)

var quiet = sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

// A worker and a client that know only the gateway do all that they do with the frontend.
func TestAWorkerAndItsClientRunThroughTheGateway(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Namespace(t, nil)
	through := serve(t, func(c *gateway.Config) { c.Upstream = client.Options{HostPort: address, Namespace: namespace} })
	c := dial(t, client.Options{HostPort: through, Namespace: namespace, Logger: quiet})
	w := worker.New(c, "greetings", worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) (string, error) {
		var name string
		workflow.GetSignalChannel(ctx, "name").Receive(ctx, &name)
		return "hello " + name, nil
	}, workflow.RegisterOptions{Name: "Greet"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)

	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "greetings"}, "Greet")
	require.NoError(t, err)
	name := strings.Repeat("a", 1<<20)
	require.NoError(t, c.SignalWorkflow(t.Context(), run.GetID(), "", "name", name))
	var greeting string
	require.NoError(t, run.Get(t.Context(), &greeting))
	require.Equal(t, "hello "+name, greeting)

	_, err = c.CheckHealth(t.Context(), &client.CheckHealthRequest{})
	require.NoError(t, err)
	attributes, err := c.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	require.NoError(t, err)
	require.NotEmpty(t, attributes.GetSystemAttributes())
	_, err = c.DescribeWorkflowExecution(t.Context(), "nothing", "")
	require.ErrorContains(t, err, "workflow not found", "the frontend's errors come as they are")
}

func TestWhatIsNotTemporalsIsNotServed(t *testing.T) {
	t.Parallel()
	through := serve(t, func(c *gateway.Config) { c.Upstream = client.Options{HostPort: (&frontend{}).serve(t)} })
	conn, err := grpc.NewClient(through, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	for _, method := range []string{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/temporal.server.api.adminservice.v1.AdminService/DescribeCluster", "/grpc.health.v1.Health/Watch"} {
		err := conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{})
		require.Equal(t, codes.Unimplemented, status.Code(err), method)
		require.ErrorContains(t, err, "the gateway does not serve "+method)
	}
	var trailer metadata.MD
	err = conn.Invoke(t.Context(), "/temporal.api.workflowservice.v1.WorkflowService/OfNextYear", &emptypb.Empty{}, &emptypb.Empty{}, grpc.Trailer(&trailer))
	require.ErrorContains(t, err, "unknown method OfNextYear", "that is for the frontend to know")
}

// The frontend is asked first, and knows no such workflow: nothing of its error is left in the answer.
func TestAnAnswerOfTheQueueTakesThePlaceOfTheFrontends(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Temporal(t, nil)
	q := &emptyQueue{waits: &queue.State{ID: itemID, WorkflowID: "invoice-1", Status: "PENDING"}}
	through := serve(t, func(c *gateway.Config) {
		c.Queue, c.Upstream = q, client.Options{HostPort: address, Namespace: namespace}
	})
	c := dial(t, client.Options{HostPort: through, Namespace: namespace, Logger: quiet})
	described, err := c.DescribeWorkflowExecution(t.Context(), "invoice-1", "")
	require.NoError(t, err)
	require.Equal(t, itemID.String(), described.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	require.ErrorContains(t, c.SignalWorkflow(t.Context(), "invoice-1", "", "s", nil), "waits in the queue")
}

// A real frontend answers for the closed one, and finds that there is nothing to cancel.
func TestAnItemComesBeforeTheClosedWorkflowOfItsID(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Namespace(t, nil)
	q := &emptyQueue{waits: &queue.State{ID: itemID, WorkflowID: "invoice-1", Status: "PENDING"}}
	through := serve(t, func(c *gateway.Config) {
		c.Queue, c.Upstream = q, client.Options{HostPort: address, Namespace: namespace}
	})
	direct := dial(t, client.Options{HostPort: address, Namespace: namespace, Logger: quiet})
	c := dial(t, client.Options{HostPort: through, Namespace: namespace, Logger: quiet})
	closed, err := direct.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "invoice-1", TaskQueue: "invoices"}, "SendInvoice")
	require.NoError(t, err)
	require.NoError(t, c.CancelWorkflow(t.Context(), "invoice-1", ""), "it is open")
	require.NoError(t, c.TerminateWorkflow(t.Context(), "invoice-1", "", ""))

	_, err = c.QueryWorkflow(t.Context(), "invoice-1", "", client.QueryTypeStackTrace)
	require.ErrorContains(t, err, "waits in the queue")
	_, err = c.WorkflowService().DeleteWorkflowExecution(t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "invoice-1"}})
	require.ErrorContains(t, err, "waits in the queue")
	_, err = c.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "invoice-1"}, WorkflowTaskFinishEventId: 3, RequestId: "r"})
	require.ErrorContains(t, err, "waits in the queue")
	require.ErrorContains(t, c.CancelWorkflow(t.Context(), "invoice-1", ""), queue.ErrUnknownItem.Error(), "it asks the queue")
	described, err := c.DescribeWorkflowExecution(t.Context(), "invoice-1", closed.GetRunID())
	require.NoError(t, err)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, described.GetWorkflowExecutionInfo().GetStatus())
}
