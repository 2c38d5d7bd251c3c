package main

import (
	"context"
	"log/slog"
	"net"
	"net/url"

	"sluice/internal/store"
	"sluice/internal/store/tokens"
	"sluice/internal/web/access"
	"sluice/internal/web/api"
)

// apiConnections is the most connections that the API has to the database. They are its own: what callers ask for must not keep the
// dispatcher waiting.
const apiConnections = 8

// serveAPI answers below /api/ until the returned stop is called. At is the address that it listens on; nil for none.
func serveAPI(ctx context.Context, c config, s *servers, at net.Addr, h *health, log *slog.Logger) (stop func(), err error) {
	if at == nil {
		return func() {}, nil
	}
	pool, err := store.OpenAs(ctx, "sluice-http", s.databaseURL, apiConnections)
	if err != nil {
		return nil, err
	}
	loopback := isLoopback(at)
	a, err := api.New(api.Config{
		Pool: pool, Temporal: s.temporal, Log: log, Link: s.workflowLink,
		Guard: access.New(access.Config{DB: pool, Loopback: loopback, Hosts: hostsOf(c)}),
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	tellWhoIsLetIn(ctx, pool, loopback, log)
	h.api.Store(a)
	return func() {
		a.Stop()
		pool.Close()
	}, nil
}

// hostsOf are the names that the API answers for: those of --http-host, and that of the address if it is one.
func hostsOf(c config) []string {
	hosts := c.httpHosts
	if host, _, err := net.SplitHostPort(c.http.hostPort); err == nil {
		if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
			hosts = append(hosts[:len(hosts):len(hosts)], host)
		}
	}
	return hosts
}

func isLoopback(at net.Addr) bool {
	tcp, ok := at.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// tellWhoIsLetIn says it while there are no tokens.
func tellWhoIsLetIn(ctx context.Context, db store.DB, loopback bool, log *slog.Logger) {
	any, err := tokens.Any(ctx, db)
	switch {
	case err != nil || any:
		return
	case loopback:
		log.Info("the HTTP API asks for no token: there are none, and it listens on loopback only; make one with: starter token create")
	default:
		log.Warn("the HTTP API answers nobody: there are no tokens, and it does not listen on loopback; make one with: starter token create")
	}
}

// workflowLink leads to a workflow in the Web UI, where that is known.
func (s *servers) workflowLink(workflowID, runID string) string {
	if s.uiURL == "" {
		return ""
	}
	link := s.uiURL + "/namespaces/" + s.namespace + "/workflows/" + url.PathEscape(workflowID)
	if runID != "" {
		link += "/" + runID
	}
	return link
}
