package main

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// ailing is a frontend that is up, and whose database is not.
type ailing struct {
	workflowservice.UnimplementedWorkflowServiceServer
}

func (ailing) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (ailing) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return nil, status.Error(codes.Unavailable, "GetNamespace operation failed: interrupted (9)")
}

func TestATemporalThatCannotReadIsMissing(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, ailing{})
	healthy := grpchealth.NewServer()
	healthy.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, healthy)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	c, err := client.Dial(client.Options{HostPort: listener.Addr().String()})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.CheckHealth(t.Context(), &client.CheckHealthRequest{})
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 3*checkTimeout) // it is asked again and again until then: once must be in time, on a busy machine too
	defer cancel()
	s := servers{temporal: c, namespace: "default"}
	require.ErrorContains(t, s.checks()["temporal"](ctx), "interrupted (9)")
}
