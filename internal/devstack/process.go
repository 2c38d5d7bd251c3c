package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// maxLogSize is where a log is set aside as *.1 at the next start.
const maxLogSize = 16 << 20

// childSpec is a server to run until it is told to stop.
type childSpec struct {
	name string
	path string
	args []string
	env  []string
	user *account // nil: our own
	log  string
	// deathSignal is what the kernel sends the child when we die (Linux).
	deathSignal syscall.Signal
	// onStart runs once the process exists and before anything waits for it.
	onStart func(started *exec.Cmd) error
}

// child is a running server.
type child struct {
	spec      childSpec
	process   *os.Process
	logStart  int64 // where this run begins in the log
	exited    chan struct{}
	waitErr   error // valid once exited is closed
	stopping  atomic.Bool
	cmdString string
}

// diedError is a child's end that was not asked for.
type diedError struct {
	name, log, tail string
	pid             int
	cause           error
}

func (e *diedError) Error() string {
	how := "exit status 0"
	if e.cause != nil {
		how = e.cause.Error()
	}
	return fmt.Sprintf("%s (pid %d) died by itself: %s; the end of %s:\n%s", e.name, e.pid, how, e.log, e.tail)
}

func (e *diedError) Unwrap() error { return e.cause }

func startChild(spec childSpec) (*child, error) {
	logFile, err := openLog(spec.log)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", spec.name, err)
	}
	defer logFile.Close()
	logStart, err := logFile.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", spec.name, err)
	}

	cmd := exec.Command(spec.path, spec.args...)
	cmd.Env, cmd.Dir = spec.env, "/"
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// A group of its own: Ctrl-C in the terminal is for us, and we stop the servers in order.
		Setpgid:    true,
		Credential: spec.user.credential(),
	}
	setDeathSignal(cmd.SysProcAttr, spec.deathSignal)

	c := &child{spec: spec, logStart: logStart, exited: make(chan struct{}), cmdString: cmd.String()}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the *thread* that forked ends, so
		// that this thread belongs to the child for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		c.process = cmd.Process
		started <- nil
		c.waitErr = cmd.Wait()
		close(c.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.name, err)
	}
	if spec.onStart != nil {
		if err := spec.onStart(cmd); err != nil {
			return nil, errors.Join(err, c.stop(stopStep{syscall.SIGKILL, 5 * time.Second}))
		}
	}
	return c, nil
}

func (c *child) pid() int { return c.process.Pid }

// died returns why the child ended by itself; nil while it runs and after stop.
func (c *child) died() error {
	select {
	case <-c.exited:
	default:
		return nil
	}
	if c.stopping.Load() {
		return nil
	}
	return &diedError{
		name: c.spec.name, pid: c.pid(), cause: c.waitErr, log: c.spec.log, tail: tailOf(c.spec.log, c.logStart),
	}
}

// whileAlive derives a context that ends when the child does, with its death as
// the cause, so that no caller waits for answers that will not come.
func (c *child) whileAlive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-c.exited:
			cancel(c.died())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// stopStep is a signal and how long to wait for its effect before the next.
type stopStep struct {
	signal syscall.Signal
	wait   time.Duration
}

// stop sends the signals one after the other until the child is gone.
func (c *child) stop(steps ...stopStep) error {
	select {
	case <-c.exited: // keeps a death by itself on record
		return nil
	default:
		c.stopping.Store(true)
	}
	for _, step := range steps {
		if err := c.process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop %s (pid %d): %w", c.spec.name, c.pid(), err)
		}
		select {
		case <-c.exited:
			return nil
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("stop %s: pid %d still runs, end it by hand", c.spec.name, c.pid())
}

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogSize {
		_ = os.Rename(path, path+".1")
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}

// tailOf returns the last lines of a log, not reaching back beyond from.
func tailOf(path string, from int64) string {
	const limit = 4096
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return "(" + err.Error() + ")"
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil && size-from > limit {
		from = size - limit
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return "(" + err.Error() + ")"
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return "(" + err.Error() + ")"
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "(empty)"
	}
	return text
}

// cleanEnv is our environment without the variables that would redirect the
// servers: a PGDATA or TEMPORAL_ADDRESS is meant for clients.
func cleanEnv(extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "PG") || strings.HasPrefix(kv, "TEMPORAL_") || strings.HasPrefix(kv, "LC_") {
			continue
		}
		env = append(env, kv)
	}
	return append(env, extra...)
}
