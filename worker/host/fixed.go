package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/worker"
)

// fixedWorker is a worker that runs as long as the host.
type fixedWorker struct {
	name   string
	create func(fatal func(error)) worker.Worker
}

// fatalError ends a host: one of its fixed workers has given up.
type fatalError struct {
	name string
	err  error
}

func (e *fatalError) Error() string {
	return "the " + e.name + " worker cannot go on: " + e.err.Error()
}
func (e *fatalError) Unwrap() error { return e.err }

// orNil makes a nil *fatalError a nil error.
func (e *fatalError) orNil() error {
	if e == nil {
		return nil
	}
	return e
}

// startFixed starts a worker that the host cannot do without; end is called when it gives up later. While Temporal is
// away it goes on trying, with a new worker for each attempt because the SDK starts one only once, and returns neither
// worker nor error when ctx ends. What will not mend itself is an error at once.
func (h *Host) startFixed(ctx context.Context, f fixedWorker, end context.CancelCauseFunc) (worker.Worker, error) {
	for pause := minRetryPause; ctx.Err() == nil; pause = min(2*pause, maxRetryPause) {
		w := f.create(func(err error) { end(&fatalError{f.name, err}) })
		err := w.Start()
		if err == nil {
			return w, nil
		}
		w.Stop()
		if permanent(err) {
			return nil, fmt.Errorf("start the %s worker: %w", f.name, err)
		}
		h.log.Warn("cannot start the "+f.name+" worker; will try again", "in", pause, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(jitter(pause)):
		}
	}
	return nil, nil
}

// permanent tells what the server will answer to the next attempt as well.
func permanent(err error) bool {
	var (
		noNamespace *serviceerror.NamespaceNotFound
		denied      *serviceerror.PermissionDenied
		invalid     *serviceerror.InvalidArgument
	)
	return errors.As(err, &noNamespace) || errors.As(err, &denied) || errors.As(err, &invalid)
}

// stopFixed stops the workers one after the other. Each may take WorkerStopTimeout for its tasks, but the call by which
// the SDK says goodbye can hang for longer when Temporal is away: what is not done in time is left alone.
func (h *Host) stopFixed(workers []worker.Worker, within time.Duration) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for _, w := range workers {
			w.Stop()
		}
	}()
	select {
	case <-stopped:
		return nil
	case <-time.After(within):
		return ErrDrain
	}
}
