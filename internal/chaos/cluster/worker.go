package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Worker is one worker process and its ways to the servers. Its methods are for one caller at a time, except PID and
// Died.
type Worker struct {
	Number int
	// Postgres and Temporal are its ways to the servers.
	Postgres, Temporal *Proxy
	// Callbacks is the way of Temporal's calls about what it has started. It leads to the next worker: any of them can be called.
	Callbacks *Proxy
	// CallbackAddress is where it takes calls itself.
	CallbackAddress string
	// Log is the file it writes, over all its lives.
	Log string

	binary, databaseURL, health string
	temporal, namespace         string // an address, and a namespace unless it is the default one
	args                        []string

	mu      sync.Mutex
	process *process
}

// drain is how long a worker that was told to stop may take; its own limit is below that.
const drain = 40 * time.Second

// Start starts the process. It does not wait until it works: see AwaitReady.
func (w *Worker) Start() error {
	args := append([]string{"--log-format", "json", "--http-address", w.health, "--allow-private-addresses"}, w.args...)
	if w.Callbacks != nil {
		args = append(args, "--callback-address", w.CallbackAddress, "--callback-url", "http://"+w.Callbacks.Address+"/ended")
	}
	p, err := startProcess(w.binary, args, w.environment(), w.Log)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.process = p
	return nil
}

// closeWays closes the proxies that there are.
func (w *Worker) closeWays() error {
	var errs []error
	for _, way := range []*Proxy{w.Postgres, w.Temporal, w.Callbacks} {
		if way != nil {
			errs = append(errs, way.Close())
		}
	}
	return errors.Join(errs...)
}

// Metrics hands the page of metrics of its process over, with the process' pid.
func (w *Worker) Metrics(ctx context.Context, read func(pid int, page io.Reader) error) error {
	pid := w.PID()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.health+"/metrics", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return read(pid, response.Body)
}

// environment is ours without what would lead the worker elsewhere.
func (w *Worker) environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "TEMPORAL_") && !strings.HasPrefix(kv, "DATABASE_URL=") {
			env = append(env, kv)
		}
	}
	env = append(env, "DATABASE_URL="+w.databaseURL, "TEMPORAL_ADDRESS="+w.temporal)
	if w.namespace != "" {
		env = append(env, "TEMPORAL_NAMESPACE="+w.namespace)
	}
	return env
}

// WorkElsewhere starts a worker process of another namespace on the same database. It has no proxies, and is not among the workers.
func (c *Cluster) WorkElsewhere(namespace, log string) (*Worker, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	like := c.Workers[0]
	w := &Worker{Log: filepath.Join(filepath.Dir(like.Log), log), binary: like.binary, health: address(port), args: like.args,
		databaseURL: c.DatabaseURL, temporal: c.TemporalAddress, namespace: namespace}
	return w, w.Start()
}

// AwaitReady returns when /readyz says that it works.
func (w *Worker) AwaitReady(ctx context.Context) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.health+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := w.Died(); err != nil {
			return err
		}
		if err := Sleep(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("worker %d is not ready (see %s): %w", w.Number, w.Log, err)
		}
	}
}

// Kill ends it without a word.
func (w *Worker) Kill() {
	p := w.current()
	p.end(syscall.SIGKILL)
	<-p.exited
}

// Stop tells it to end and waits. A worker that does not end in time is killed, which is an error.
func (w *Worker) Stop() error {
	p := w.current()
	p.end(syscall.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-time.After(drain):
		w.Kill()
		return fmt.Errorf("worker %d did not end within %s of SIGTERM and was killed; see %s", w.Number, drain, w.Log)
	}
}

// Freeze stops it in the middle of whatever it does, until Thaw.
func (w *Worker) Freeze() error { return w.current().os.Signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (w *Worker) Thaw() error { return w.current().os.Signal(syscall.SIGCONT) }

// PID is that of its latest process.
func (w *Worker) PID() int { return w.current().os.Pid }

// Died says how it ended, if it did and nobody had asked it to.
func (w *Worker) Died() error {
	p := w.current()
	if p.alive() || p.wanted.Load() {
		return nil
	}
	return fmt.Errorf("worker %d (pid %d) ended by itself: %v; see %s", w.Number, p.os.Pid, p.err, w.Log)
}

func (w *Worker) current() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.process
}
