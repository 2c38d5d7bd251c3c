package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"

	"sluice/internal/store"
	"sluice/internal/web/access"
	"sluice/internal/web/dashboard"
)

// dashboardConnections is the most connections that the dashboard has to the database. They are its own, as those of the API are: what
// somebody looks at, or does to many items, must not keep the dispatcher waiting.
const dashboardConnections = 8

// pages are those of the dashboard, at the address of the health endpoints. They are there once the servers are.
type pages struct {
	handler atomic.Pointer[http.Handler]
	address net.Addr // nil: nothing is served
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := p.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "2")
	http.Error(w, "the worker is starting, or stopping: Postgres and Temporal are not there", http.StatusServiceUnavailable)
}

// url is where the dashboard is, empty where there is none.
func (p *pages) url() string {
	if p.address == nil {
		return ""
	}
	return "http://" + p.address.String() + "/"
}

// serve answers with the dashboard until stop is called, and says where it is.
func (p *pages) serve(ctx context.Context, s *servers, screen *screen, log *slog.Logger) (stop func(), err error) {
	if p.address == nil {
		return func() {}, nil
	}
	pool, err := store.OpenAs(ctx, "sluice-dashboard", s.databaseURL, dashboardConnections)
	if err != nil {
		return nil, err
	}
	h, end := dashboard.New(dashboard.Config{Pool: pool, Temporal: s.temporal, Namespace: s.namespace, WebUI: s.uiURL, Logger: log,
		Guard: access.New(access.Config{DB: pool, Loopback: true})}) // it answers to nobody else
	p.handler.Store(&h)
	if s.stack != nil {
		screen.printf("dashboard: %s\n", p.url())
	}
	return func() {
		p.handler.Store(nil)
		end()
		pool.Close()
	}, nil
}
