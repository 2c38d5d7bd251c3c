package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	temporalNamespace = "default"
	temporalLockName  = "temporal.lock"
	temporalPIDName   = "temporal.pid"
)

// TemporalConfig is the Temporal part of [Config]; its fields mean the same.
type TemporalConfig struct {
	Dir              string
	Port, UIPort     int
	Headless         bool
	InMemory         bool
	SearchAttributes map[string]string
	DynamicConfig    map[string]any
	Progress         func(format string, args ...any)
}

// Temporal is a running dev server.
type Temporal struct {
	// Address is host:port of the frontend.
	Address string
	// Namespace is always "default".
	Namespace string
	// UIURL is empty when headless.
	UIURL string

	child    *child
	lock     *fileLock
	dir      string
	ownsDir  bool // a temporary directory, because the caller gave none
	inMemory bool

	closeOnce sync.Once
	closeErr  error
}

// temporalStop ends the server in order; what it holds in memory only is lost either way.
var temporalStop = []stopStep{{syscall.SIGTERM, 20 * time.Second}, {syscall.SIGKILL, 5 * time.Second}}

// StartTemporal starts the dev server and returns when its namespace and the
// search attributes can be used. ctx bounds the start only.
func StartTemporal(ctx context.Context, cfg TemporalConfig) (_ *Temporal, err error) {
	if cfg.Dir == "" && !cfg.InMemory {
		return nil, errors.New("start Temporal: no data directory given")
	}
	if cfg.Headless {
		cfg.UIPort = 0
	}
	if err := errors.Join(checkTemporalPort(cfg.Port), checkUIPort(cfg.UIPort)); err != nil {
		return nil, err
	}
	t := &Temporal{Namespace: temporalNamespace, inMemory: cfg.InMemory}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start Temporal: %w", err), t.Close())
		}
	}()
	if err := t.openDir(ctx, cfg.Dir); err != nil {
		return nil, err
	}
	binary, err := temporalBinary(ctx, progressOf(cfg.Progress))
	if err != nil {
		return nil, err
	}
	if err := endOrphanFromPIDFile(ctx, filepath.Join(t.dir, temporalPIDName), temporalStop...); err != nil {
		return nil, err
	}
	database := ""
	if !cfg.InMemory {
		database = filepath.Join(t.dir, "temporal.db")
		if err := beginDatabase(database); err != nil {
			return nil, err
		}
	}
	t.child, err = retryPortRace(func() (*child, error) { return t.launch(ctx, cfg, binary, database) })
	if err != nil {
		return nil, err
	}
	if database != "" {
		return t, endDatabase(database)
	}
	return t, nil
}

func (t *Temporal) openDir(ctx context.Context, dir string) (err error) {
	if dir == "" {
		if t.dir, err = os.MkdirTemp("", "sluice-temporal-"); err != nil {
			return fmt.Errorf("make a temporary directory: %w", err)
		}
		t.ownsDir = true
		return nil
	}
	if t.dir, err = makeDir(dir); err != nil {
		return err
	}
	t.lock, err = acquireDir(ctx, t.dir, temporalLockName)
	return err
}

// launch starts the server on one set of ports and waits until it can be used there.
func (t *Temporal) launch(ctx context.Context, cfg TemporalConfig, binary, database string) (*child, error) {
	port, portErr := pickPort(cfg.Port)
	uiPort, uiErr := 0, error(nil)
	if !cfg.Headless {
		uiPort, uiErr = pickPort(cfg.UIPort)
	}
	if err := errors.Join(portErr, uiErr); err != nil {
		return nil, err
	}
	server, err := startChild(childSpec{
		name: "Temporal", path: binary, args: temporalArgs(cfg, port, uiPort, database),
		env: cleanEnv(), log: filepath.Join(t.dir, "temporal.log"),
		// It survives a crash by design, and an orphan that hangs in its shutdown would hold the ports.
		deathSignal: syscall.SIGKILL,
		onStart:     func(started *exec.Cmd) error { return writePIDFile(filepath.Join(t.dir, temporalPIDName), started) },
	})
	if err != nil {
		return nil, err
	}
	t.Address = hostPort(port)
	if !cfg.Headless {
		t.UIURL = "http://" + hostPort(uiPort)
	}
	if err := t.await(ctx, server, cfg, uiPort); err != nil {
		return nil, errors.Join(err, server.stop(temporalStop...))
	}
	return server, nil
}

// await returns once the frontend serves the namespace with its search attributes, and the UI listens.
func (t *Temporal) await(ctx context.Context, server *child, cfg TemporalConfig, uiPort int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it does not answer after %s", startTimeout))
	defer cancel()
	ctx, done := server.whileAlive(ctx)
	defer done()

	err := awaitListening(ctx, t.Address)
	if err == nil {
		err = EnsureSearchAttributes(ctx, t.Address, t.Namespace, cfg.SearchAttributes)
	}
	if err == nil && !cfg.Headless {
		err = awaitListening(ctx, hostPort(uiPort))
	}
	// The end of the process comes first: after a lost race for the port it was another server that answered.
	if died := server.died(); died != nil {
		return died
	}
	if err != nil {
		return fmt.Errorf("wait for the server to be ready: %w; the end of %s:\n%s",
			err, server.spec.log, tailOf(server.spec.log, server.logStart))
	}
	return nil
}

func awaitListening(ctx context.Context, address string) error {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("wait for a listener on %s: %w", address, err)
		}
	}
}

// beginDatabase marks a SQLite file as unfinished, and removes one that still is
// from an earlier start: the server creates its schema only in a file it makes itself.
func beginDatabase(path string) error {
	marker := path + ".incomplete"
	if _, err := os.Stat(marker); err == nil {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove an interrupted Temporal database: %w", err)
			}
		}
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		return fmt.Errorf("create the Temporal database: %w", err)
	}
	return nil
}

func endDatabase(path string) error {
	if err := os.Remove(path + ".incomplete"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("create the Temporal database: %w", err)
	}
	return nil
}

// PID is the server's process.
func (t *Temporal) PID() int { return t.child.pid() }

// Done is closed when the server's process has ended.
func (t *Temporal) Done() <-chan struct{} { return t.child.exited }

// Err says why the server ended by itself; nil while it runs and after Close.
func (t *Temporal) Err() error { return t.child.died() }

// Close stops the server and waits for it.
func (t *Temporal) Close() error {
	t.closeOnce.Do(func() {
		var errs []error
		if t.child != nil {
			steps := temporalStop
			if t.inMemory {
				steps = steps[len(steps)-1:] // there is nothing to finish
			}
			if err := t.child.stop(steps...); err != nil {
				errs = append(errs, err)
			} else if err := os.Remove(filepath.Join(t.dir, temporalPIDName)); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove a pid file: %w", err))
			}
		}
		if t.ownsDir {
			errs = append(errs, os.RemoveAll(t.dir))
		}
		t.lock.release()
		t.closeErr = errors.Join(errs...)
	})
	return t.closeErr
}
