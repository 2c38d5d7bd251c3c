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
)

// checkTimeout bounds the checks behind one /readyz, which run at once.
const checkTimeout = 2 * time.Second

// health answers /healthz (the process lives), /readyz (it does its work, or what is missing) and /metrics.
type health struct {
	// missing returns what is missing by part, nothing when all is well. Set once the parts exist.
	missing atomic.Pointer[func(context.Context) map[string]string]
	// metrics is the page of /metrics; nil for none.
	metrics http.Handler
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
		mux.Handle("GET /metrics", h.metrics)
	}
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

// serveHealth serves h until the returned stop is called.
func serveHealth(where address, h *health, log *slog.Logger) (stop func(), err error) {
	if where.hostPort == "" {
		return func() {}, nil
	}
	listener, err := listen(where, "--health-address", log)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: h.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	log.Info("health", "address", "http://"+listener.Addr().String()+"/readyz")
	return func() { _ = server.Close() }, nil
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
