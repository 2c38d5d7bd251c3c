package main

import (
	"context"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/client"

	"sluice/internal/gateway"
	"sluice/internal/store"
	"sluice/queue"
)

// gatewayConnections is how many database connections a gateway has at most. They are its own: whatever its callers do, the
// dispatcher keeps those of --postgres-connections.
const gatewayConnections = 8

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
	pool, err := store.OpenAs(ctx, "sluice gateway", s.databaseURL, gatewayConnections)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("open the gateway's connections to Postgres: %w", err)
	}
	g, err := gateway.New(gateway.Config{Listener: listener, TLS: c.gatewayTLS, Upstream: s.upstream, Queue: queue.New(pool), Metrics: counts})
	if err != nil {
		_ = listener.Close()
		pool.Close()
		return nil, err
	}
	log.Info("gateway", "address", listener.Addr().String(), "tls", c.gatewayTLS.Cert != "")
	stopped := make(chan error, 1)
	go func() {
		err := g.Serve(ctx, c.shutdownTimeout)
		pool.Close()
		stopped <- err
		end()
	}()
	return func() error { return <-stopped }, nil
}
