package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// callbackPath is where callbacks of --dev go. Workers take them on any path.
const callbackPath = "/callback"

// listenForCallbacks opens the address at which this worker takes callbacks, and returns what Temporal is to call. With --dev both have
// defaults, each from the other. The listener is nil where this worker takes none.
func listenForCallbacks(c config, log *slog.Logger) (listener net.Listener, callbackURL string, err error) {
	where := c.callbacks
	if c.dev && where.hostPort == "" && !where.explicit {
		where.hostPort = devCallbackAddress
		if u, err := url.Parse(c.callbackURL); err == nil && u.Port() != "" {
			where = address{hostPort: net.JoinHostPort("127.0.0.1", u.Port()), explicit: true}
		}
	}
	if where.hostPort == "" {
		return nil, c.callbackURL, nil
	}
	if listener, err = listen(where, "--callback-address", log); err != nil {
		return nil, "", err
	}
	if c.dev && c.callbackURL == "" {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		return listener, "http://" + net.JoinHostPort("127.0.0.1", port) + callbackPath, nil // where its server allows them
	}
	return listener, c.callbackURL, nil
}

// serveCallbacks serves them until the returned stop is called.
func serveCallbacks(listener net.Listener, handler http.Handler, log *slog.Logger) (stop func()) {
	if listener == nil {
		return func() {}
	}
	server := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go func() { _ = server.Serve(listener) }()
	log.Info("callbacks", "address", listener.Addr().String())
	return func() { _ = server.Close() }
}
