package host

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/worker"
)

// fakeWorker is a worker that starts and stops as a test says.
type fakeWorker struct {
	worker.Worker
	err     error
	stopFor time.Duration
	stopped func()
}

func (w *fakeWorker) Start() error { return w.err }

func (w *fakeWorker) Stop() {
	time.Sleep(w.stopFor)
	if w.stopped != nil {
		w.stopped()
	}
}

func fakeHost() *Host {
	return &Host{cfg: Config{ShutdownTimeout: 8 * time.Second}, log: slog.New(slog.DiscardHandler)}
}

func TestFixedWorkerIsStartedPatiently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts, stopped := 0, 0
		var fatal func(error)
		ctx, end := context.WithCancelCause(t.Context())
		began := time.Now()
		w, err := fakeHost().startFixed(ctx, fixedWorker{"default", func(f func(error)) worker.Worker {
			attempts++
			fatal = f
			if attempts < 4 {
				return &fakeWorker{err: serviceerror.NewUnavailable("away"), stopped: func() { stopped++ }}
			}
			return &fakeWorker{}
		}}, end)
		require.NoError(t, err)
		require.NotNil(t, w)
		require.Equal(t, 4, attempts)
		require.Equal(t, 3, stopped, "the others give back what they took")
		require.InDelta(t, (250+500+1000)*time.Millisecond, time.Since(began), float64(500*time.Millisecond))

		fatal(errors.New("namespace gone"))
		require.EqualError(t, context.Cause(ctx), "the default worker cannot go on: namespace gone")
	})
}

func TestFixedWorkerThatCannotStart(t *testing.T) {
	t.Parallel()
	refused := func(func(error)) worker.Worker { return &fakeWorker{err: serviceerror.NewPermissionDenied("no", "")} }
	_, err := fakeHost().startFixed(t.Context(), fixedWorker{"default", refused}, nil)
	require.EqualError(t, err, "start the default worker: no")

	synctest.Test(t, func(t *testing.T) {
		away := func(func(error)) worker.Worker { return &fakeWorker{err: serviceerror.NewUnavailable("away")} }
		ctx, end := context.WithTimeout(t.Context(), time.Minute)
		defer end()
		w, err := fakeHost().startFixed(ctx, fixedWorker{"default", away}, nil)
		require.NoError(t, err, "told to end is no error")
		require.Nil(t, w)
	})
}

func TestFixedWorkersStopInOrderAndInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		note := func(name string) func() { return func() { order = append(order, name) } }
		began := time.Now()
		require.NoError(t, fakeHost().stopFixed([]worker.Worker{
			&fakeWorker{stopFor: 2 * time.Second, stopped: note("external-API")}, &fakeWorker{stopped: note("default")},
		}, 3*time.Second))
		require.Equal(t, []string{"external-API", "default"}, order)
		require.Equal(t, 2*time.Second, time.Since(began))
		require.ErrorIs(t, fakeHost().stopFixed([]worker.Worker{&fakeWorker{stopFor: time.Hour}}, 3*time.Second), ErrDrain)
		require.Equal(t, 5*time.Second, time.Since(began))
		time.Sleep(time.Hour) // the stop in flight ends by itself
	})
}
