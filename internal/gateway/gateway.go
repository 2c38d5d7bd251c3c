package gateway

import (
	"context"
	"fmt"
	"net"
	"time"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"sluice/internal/admitted"
)

// Config is what a gateway needs.
type Config struct {
	Listener net.Listener
	TLS      TLS
	Upstream client.Options // of the frontend; what they hold beyond its address, its TLS and its namespace is not used
	Queue    admitted.Queue
	Metrics  client.MetricsHandler
}

// Gateway is made by New.
type Gateway struct {
	listener net.Listener
	server   *grpc.Server
	upstream *grpc.ClientConn
	calls    admitted.Calls
}

// leastPing is how often clients may ask whether the connection lives, as at Temporal.
const leastPing = 10 * time.Second

// New returns a gateway that serves once Serve is called. Whether it may is for Check to say. The listener is its own then.
func New(c Config) (*Gateway, error) {
	own, err := c.TLS.config()
	if err != nil {
		return nil, err
	}
	upstream, err := dial(c.Upstream)
	if err != nil {
		return nil, fmt.Errorf("dial Temporal for the gateway: %w", err)
	}
	g := &Gateway{listener: c.Listener, upstream: upstream, calls: admitted.Calls{
		Queue: c.Queue, Namespace: c.Upstream.Namespace, WorkspaceOf: workspaceOf, Passed: admitted.Counting(c.Metrics),
	}}
	if g.calls.Namespace == "" {
		g.calls.Namespace = client.DefaultNamespace
	}
	if authenticates(c.Upstream) {
		g.calls.Allowed = g.allowed
	}
	options := []grpc.ServerOption{
		grpc.UnknownServiceHandler(g.handle), grpc.ForceServerCodecV2(codec{}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
	}
	if own != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(own)))
	}
	g.server = grpc.NewServer(options...)
	return g, nil
}

// Serve serves until ctx ends, and then for so long at most what is under way: polls wait for a minute.
func (g *Gateway) Serve(ctx context.Context, grace time.Duration) error {
	defer g.upstream.Close()
	done := make(chan error, 1)
	go func() { done <- g.server.Serve(g.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the gateway: %w", err)
	case <-ctx.Done():
	}
	timer := time.AfterFunc(grace, g.server.Stop)
	defer timer.Stop()
	g.server.GracefulStop()
	<-done
	return nil
}
