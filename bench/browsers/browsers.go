// Package browsers stands in for people who look at the dashboard, for a benchmark: each client holds a page open and asks for its live part as
// often as the page's script does. They are plain HTTP clients: a browser's own work, and the pictures on its screen, cost the servers nothing.
package browsers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Every is how often a page asks for its live part.
const Every = 2 * time.Second

// Open are pages that are held open.
type Open struct {
	server *http.Server
	close  context.CancelFunc
	all    sync.WaitGroup
	pages  atomic.Int64

	mu   sync.Mutex
	errs []error
}

// Hold serves the dashboard and opens so many pages of it, in turn those at these addresses.
func Hold(ctx context.Context, dashboard http.Handler, browsers int, addresses []string) (*Open, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the dashboard: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	o := &Open{server: &http.Server{Handler: dashboard, ReadHeaderTimeout: 5 * time.Second}, close: cancel}
	o.all.Go(func() { _ = o.server.Serve(listener) })
	for n := range browsers {
		at := "http://" + listener.Addr().String() + addresses[n%len(addresses)]
		o.all.Go(func() { o.look(ctx, at, time.Duration(n)*Every/time.Duration(browsers)) })
	}
	return o, nil
}

// look opens a page after a time, and then keeps it live.
func (o *Open) look(ctx context.Context, at string, after time.Duration) {
	browser := &http.Client{Transport: &http.Transport{}} // with a connection of its own
	defer browser.CloseIdleConnections()
	for live := false; ; live = true {
		select {
		case <-ctx.Done():
			return
		case <-time.After(after):
		}
		after = Every
		if err := get(ctx, browser, at, live); err != nil && ctx.Err() == nil {
			o.mu.Lock()
			o.errs = append(o.errs, err)
			o.mu.Unlock()
		} else if err == nil {
			o.pages.Add(1)
		}
	}
}

func get(ctx context.Context, browser *http.Client, at string, live bool) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	if live {
		request.Header.Set("HX-Request", "true")
	}
	answer, err := browser.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is answered %s", at, answer.Status)
	}
	return nil
}

// Close closes the pages, and returns how many were answered and what went wrong.
func (o *Open) Close() (pages int, err error) {
	o.close()
	err = o.server.Close()
	o.all.Wait()
	return int(o.pages.Load()), errors.Join(append(o.errs, err)...)
}
