package api

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// stopPatience is how long requests under way may take to end by themselves.
const stopPatience = 3 * time.Second

// Starting answers while there is no API yet, or none any more.
var Starting http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	newProblem(http.StatusServiceUnavailable, "starting", "the worker is starting or stopping; /readyz says what it waits for").later().write(w)
})

// stopping is the end of an API.
type stopping struct {
	begun context.Context // who waits for an item then gets what is known of it
	begin context.CancelFunc

	mu       sync.Mutex
	underWay sync.WaitGroup
	cancels  map[*context.CancelFunc]struct{}
}

// enter counts a request as under way until it has left. It returns no context when the API stops.
func (s *stopping) enter(ctx context.Context) (_ context.Context, left func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun.Err() != nil {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	if s.cancels == nil {
		s.cancels = map[*context.CancelFunc]struct{}{}
	}
	s.cancels[&cancel] = struct{}{}
	s.underWay.Add(1)
	return ctx, func() {
		s.mu.Lock()
		delete(s.cancels, &cancel)
		s.mu.Unlock()
		cancel()
		s.underWay.Done()
	}
}

// Stop answers nobody any more, and returns when what was under way has ended. Who waits for an item gets what is known of it. What takes longer
// than a few seconds is broken off.
func (s *API) Stop() {
	s.stop.mu.Lock()
	s.stop.begin()
	s.stop.mu.Unlock()
	late := time.AfterFunc(stopPatience, func() {
		s.stop.mu.Lock()
		defer s.stop.mu.Unlock()
		for cancel := range s.stop.cancels {
			(*cancel)()
		}
	})
	defer late.Stop()
	s.stop.underWay.Wait()
}
