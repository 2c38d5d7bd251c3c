package admit

import (
	"context"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"sluice/internal/admitted"
	"sluice/queue"
)

// WorkspaceOf says in which workspace's name a workflow is started: its id or its external key; "" for nobody's, then it is not admitted.
type WorkspaceOf func(ctx context.Context, start *workflowservice.StartWorkflowExecutionRequest) string

// Install makes the client that is dialed with these options start workflows through the queue. Without a WorkspaceOf, nil, a start's
// fairness key names its workspace; a workspace of WithWorkspace comes before either. The options must have their Namespace and their
// MetricsHandler already.
func Install(options *client.Options, q *queue.Client, of WorkspaceOf) {
	if of == nil {
		of = func(_ context.Context, start *workflowservice.StartWorkflowExecutionRequest) string {
			return start.GetPriority().GetFairnessKey()
		}
	}
	calls := &admitted.Calls{
		Queue: q, Namespace: options.Namespace,
		WorkspaceOf: func(ctx context.Context, start *workflowservice.StartWorkflowExecutionRequest) string {
			if workspace, ok := ctx.Value(workspaceKey{}).(string); ok {
				return workspace
			}
			return of(ctx, start)
		},
		Passed: admitted.Counting(options.MetricsHandler),
	}
	if calls.Namespace == "" {
		calls.Namespace = client.DefaultNamespace
	}
	dial := &options.ConnectionOptions.DialOptions
	*dial = append(*dial, grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
			in, ok := request.(proto.Message)
			out, also := reply.(proto.Message)
			if !ok || !also {
				return invoke(ctx, method, request, reply, conn, o...)
			}
			return calls.Do(ctx, in, out, func(ctx context.Context, request proto.Message) error {
				return invoke(ctx, method, request, reply, conn, o...)
			}, func(ctx context.Context, request *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
				var described workflowservice.DescribeWorkflowExecutionResponse
				return &described, invoke(ctx, workflowservice.WorkflowService_DescribeWorkflowExecution_FullMethodName, request, &described, conn, o...)
			})
		}))
}

type workspaceKey struct{}

// WithWorkspace returns a context whose starts are in this workspace's name; with "" they are in nobody's, and are not admitted.
func WithWorkspace(ctx context.Context, workspace string) context.Context {
	return context.WithValue(ctx, workspaceKey{}, workspace)
}
