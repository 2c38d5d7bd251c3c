package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// serveEndpoint serves an outside world to the http nodes: mostly quick, sometimes slow, sometimes unavailable. It
// returns its URL.
func serveEndpoint() (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("serve an endpoint: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		wait := time.Duration(1+rand.IntN(40)) * time.Millisecond
		chance := rand.IntN(100)
		if chance < 3 {
			wait = 2 * time.Second
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(wait):
		}
		if chance >= 90 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"done": true}`)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}
