package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/internal/web/access"
	"sluice/internal/web/api"
)

// checkTimeout bounds the checks behind one /readyz, which run at once.
const checkTimeout = 2 * time.Second

// health answers /healthz (the process lives), /readyz (it does its work, or what is missing), /metrics, and what the API does.
type health struct {
	// missing returns what is missing by part, nothing when all is well. Set once the parts exist.
	missing atomic.Pointer[func(context.Context) map[string]string]
	// metrics is the page of /metrics; nil for none. It answers for the hosts that the guard knows.
	metrics http.Handler
	guard   *access.Guard
	// api answers below /api/. Set once there is one.
	api   atomic.Pointer[api.API]
	pages pages // all other paths
}

// healthAnswer is the body of both.
type healthAnswer struct {
	Status  string            `json:"status"` // "ok", "ready" or "not ready"
	Missing map[string]string `json:"missing,omitempty"`
}

func (h *health) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, healthAnswer{Status: "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		missing := map[string]string{"servers": "waiting for Postgres and Temporal"}
		if check := h.missing.Load(); check != nil {
			missing = (*check)(ctx)
		}
		if len(missing) > 0 {
			answer(w, http.StatusServiceUnavailable, healthAnswer{Status: "not ready", Missing: missing})
			return
		}
		answer(w, http.StatusOK, healthAnswer{Status: "ready"})
	})
	if h.metrics != nil {
		mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
			if err := h.guard.CheckHost(r); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			h.metrics.ServeHTTP(w, r)
		})
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		if a := h.api.Load(); a != nil {
			a.ServeHTTP(w, r)
			return
		}
		api.Starting.ServeHTTP(w, r)
	})
	mux.Handle("/", &h.pages)
	return mux
}

// checkAll runs the checks at once and returns the messages of those that fail.
func checkAll(ctx context.Context, checks map[string]func(context.Context) error) map[string]string {
	type result struct {
		part string
		err  error
	}
	results := make(chan result, len(checks))
	for part, check := range checks {
		go func() { results <- result{part, check(ctx)} }()
	}
	missing := map[string]string{}
	for range checks {
		if r := <-results; r.err != nil {
			missing[r.part] = r.err.Error()
		}
	}
	return missing
}

func answer(w http.ResponseWriter, status int, body healthAnswer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller is gone
}

// server keeps no connection that does nothing: each takes one of the files that the process may open. The API moves the times of a request
// that may wait for longer.
func (h *health) server(log *slog.Logger) *http.Server {
	return &http.Server{Handler: h.handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
}

// serveHTTP serves h until the returned stop is called. The address is that of its listener; nil for none.
func serveHTTP(where address, h *health, log *slog.Logger) (at net.Addr, stop func(), err error) {
	if where.hostPort == "" {
		return nil, func() {}, nil
	}
	listener, err := listen(where, "--http-address", log)
	if err != nil {
		return nil, nil, err
	}
	h.pages.address = listener.Addr()
	server := h.server(log)
	go func() { _ = server.Serve(listener) }()
	base := "http://" + listener.Addr().String()
	log.Info("http", "health", base+"/readyz", "api", base+"/api/openapi.json")
	return listener.Addr(), func() { _ = server.Close() }, nil
}

// listen opens the address. If it is taken, an address that was asked for is an error; a default gives way to any free port.
func listen(where address, flag string, log *slog.Logger) (net.Listener, error) {
	listener, err := net.Listen("tcp", where.hostPort)
	if errors.Is(err, syscall.EADDRINUSE) && !where.explicit {
		host, _, _ := net.SplitHostPort(where.hostPort)
		listener, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err == nil {
			log.Warn("the default address is in use, took a free one", "flag", flag, "default", where.hostPort, "instead", listener.Addr().String())
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s %s is in use; choose another one or stop what listens there", flag, where.hostPort)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s: %w", flag, where.hostPort, err)
	}
	return listener, nil
}
