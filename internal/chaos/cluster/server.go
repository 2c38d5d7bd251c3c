package cluster

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// Server is PostgreSQL or Temporal. Kill, Stop and Start are for one caller at a time.
type Server struct {
	name  string
	start func(ctx context.Context) (handle, error)

	mu     sync.Mutex
	handle handle // nil while it is down
}

// handle is what devstack returns for either.
type handle interface {
	PID() int
	Done() <-chan struct{}
	Close() error
}

// restartPatience is for the children of a killed postmaster to end: while one lives, its shared memory is in use and
// PostgreSQL refuses to start.
const restartPatience = 30 * time.Second

// Start brings it up where it was, and returns when it answers.
func (s *Server) Start(ctx context.Context) error {
	deadline := time.Now().Add(restartPatience)
	for {
		h, err := s.start(ctx)
		if err == nil {
			s.set(h)
			return nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("start %s again: %w", s.name, err)
		}
		if err := Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// Kill ends it without a word and returns when it is gone.
func (s *Server) Kill() error {
	h := s.set(nil)
	if h == nil {
		return nil
	}
	if err := syscall.Kill(h.PID(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", s.name, err)
	}
	<-h.Done()
	return h.Close() // frees its locks
}

// Stop shuts it down in order.
func (s *Server) Stop() error {
	h := s.set(nil)
	if h == nil {
		return nil
	}
	if err := h.Close(); err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	return nil
}

// set returns what was there before.
func (s *Server) set(h handle) handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.handle
	s.handle = h
	return before
}
