package gateway_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sluice/internal/devstack/devtest"
	"sluice/internal/gateway"
	"sluice/queue"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// emptyQueue knows the workspace acme, counts what is enqueued, and has at most one item that waits.
type emptyQueue struct {
	waits    *queue.State
	mu       sync.Mutex
	enqueued []queue.Item
}

func (q *emptyQueue) Enqueue(_ context.Context, item queue.Item) (queue.Answer, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.enqueued = append(q.enqueued, item)
	return queue.Answer{QueueID: itemID, Status: "QUEUED"}, nil
}

func (q *emptyQueue) Request(context.Context, uuid.UUID) (*workflowservice.StartWorkflowExecutionRequest, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.enqueued) == 0 {
		return nil, nil
	}
	return q.enqueued[len(q.enqueued)-1].Workflow.Request, nil
}

func (*emptyQueue) Workspace(_ context.Context, key string) (uuid.UUID, error) {
	if key != "acme" {
		return uuid.Nil, queue.ErrUnknownWorkspace
	}
	return acme, nil
}

func (q *emptyQueue) Get(_ context.Context, id uuid.UUID) (queue.State, error) {
	if q.waits != nil && q.waits.ID == id {
		return *q.waits, nil
	}
	return queue.State{}, queue.ErrUnknownItem
}

func (q *emptyQueue) NotStarted(context.Context, string) (map[uuid.UUID]uuid.UUID, error) {
	if q.waits != nil {
		return map[uuid.UUID]uuid.UUID{q.waits.WorkspaceID: q.waits.ID}, nil
	}
	return nil, nil
}

func (*emptyQueue) Cancel(context.Context, uuid.UUID, string, string) (string, error) {
	return "", queue.ErrUnknownItem
}

func (*emptyQueue) ReleaseKey(context.Context, uuid.UUID, string, string) (queue.Answer, error) {
	return queue.Answer{}, nil
}

func (q *emptyQueue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.enqueued)
}

var acme, itemID = uuid.New(), uuid.New()

// serve serves a gateway to the end of the test and returns its address.
func serve(t *testing.T, change func(*gateway.Config)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	config := gateway.Config{Listener: listener, Queue: &emptyQueue{}}
	change(&config)
	g, err := gateway.New(config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx, 100*time.Millisecond) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return listener.Addr().String()
}

// frontend is a fake that takes callers with the key "valid", if it wants any, and remembers what they send.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	wantsKey bool
	mu       sync.Mutex
	metadata []metadata.MD
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (f *frontend) StartWorkflowExecution(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	if r.GetWorkflowId() == "" {
		return nil, status.Error(codes.InvalidArgument, "WorkflowId is not set on request.")
	}
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "of-temporal", Started: true}, nil
}

func (f *frontend) authorize(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	f.mu.Lock()
	f.metadata = append(f.metadata, md)
	f.mu.Unlock()
	if key := md.Get("authorization"); f.wantsKey && (len(key) != 1 || key[0] != "Bearer valid") {
		return nil, status.Error(codes.PermissionDenied, "Request unauthorized.")
	}
	_ = grpc.SetTrailer(ctx, metadata.Pairs("seen-by", "frontend"))
	return next(ctx, request)
}

func (f *frontend) last() metadata.MD {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.metadata[len(f.metadata)-1]
}

func (f *frontend) serve(t *testing.T, options ...grpc.ServerOption) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(append(options, grpc.UnaryInterceptor(f.authorize))...)
	workflowservice.RegisterWorkflowServiceServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// dial is a client of the gateway.
func dial(t *testing.T, options client.Options) client.Client {
	t.Helper()
	options.ConnectionOptions.GetSystemInfoTimeout = time.Minute
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
