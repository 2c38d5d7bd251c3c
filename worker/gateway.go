package main

import (
	"context"
	"log/slog"

	"go.temporal.io/sdk/client"

	"sluice/internal/gateway"
	"sluice/queue"
)

// serveGateway serves --gateway until ctx ends; wait returns when it has stopped. Where it stops by itself it calls end.
func serveGateway(ctx context.Context, end context.CancelFunc, c config, s *servers, counts client.MetricsHandler, log *slog.Logger) (wait func() error, err error) {
	if c.gateway == "" {
		return func() error { return nil }, nil
	}
	if err := gateway.Check(c.gateway, c.gatewayTLS, s.upstream); err != nil {
		return nil, err
	}
	listener, err := listen(address{hostPort: c.gateway, explicit: true}, "--gateway", log)
	if err != nil {
		return nil, err
	}
	g, err := gateway.New(gateway.Config{Listener: listener, TLS: c.gatewayTLS, Upstream: s.upstream, Queue: queue.New(s.pool), Metrics: counts})
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	log.Info("gateway", "address", listener.Addr().String(), "tls", c.gatewayTLS.Cert != "")
	stopped := make(chan error, 1)
	go func() {
		stopped <- g.Serve(ctx, c.shutdownTimeout)
		end()
	}()
	return func() error { return <-stopped }, nil
}
