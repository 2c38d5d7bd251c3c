package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Config says where a stack lives and what it offers. The zero value of every
// field but Dir is usable; Dir may be empty only with InMemory.
type Config struct {
	// Dir holds data, logs and stack.json. It is created, and reused by the next start.
	Dir string
	// PostgresPort, TemporalPort and UIPort are ports on 127.0.0.1; 0 means any free one.
	PostgresPort, TemporalPort, UIPort int
	// Headless leaves the Web UI out.
	Headless bool
	// InMemory keeps nothing: Temporal without a file, PostgreSQL without fsync in
	// a directory that Close removes. For tests.
	InMemory bool
	// SearchAttributes maps names to types (Keyword, KeywordList, Text, Int,
	// Double, Bool, Datetime). Missing ones are added to an existing data
	// directory; one that is there with another type is an error.
	SearchAttributes map[string]string
	// DynamicConfig adds to, or overrides, the Temporal settings of this package.
	// Values are bool, int, float64 or string.
	DynamicConfig map[string]any
	// Progress hears of what takes long: downloads, builds, first initialisation.
	// It may be called from several goroutines. nil: it is not told.
	Progress func(format string, args ...any)
}

// Stack is a running PostgreSQL server and a running Temporal dev server.
type Stack struct {
	// DatabaseURL names the database "sluice" of the running server.
	DatabaseURL string
	// TemporalAddress is host:port of the Temporal frontend.
	TemporalAddress string
	// Namespace is always "default".
	Namespace string
	// UIURL is the Web UI, empty when headless.
	UIURL string

	dir      string
	lock     *fileLock
	postgres *Postgres
	temporal *Temporal

	closing   chan struct{}
	done      chan struct{}
	closeOnce sync.Once
	closeErr  error
	mu        sync.Mutex
	err       error
}

// Start brings both servers up and returns when both answer. ctx bounds the
// start only (first runs may download and compile for minutes); the stack then
// lives until Close. Errors: *PortInUseError, *InUseError, or what failed with
// the end of that server's log.
func Start(ctx context.Context, cfg Config) (*Stack, error) {
	if err := checkPorts(cfg); err != nil {
		return nil, err
	}
	s := &Stack{closing: make(chan struct{}), done: make(chan struct{})}
	if cfg.Dir != "" {
		dir, err := makeDir(cfg.Dir)
		if err != nil {
			return nil, err
		}
		cfg.Dir, s.dir = dir, dir
		if s.lock, err = acquireDir(ctx, dir, stackLockName); err != nil {
			return nil, err
		}
		// What an owner that was killed left behind would mislead readers until we are up.
		if err := removeAddresses(dir); err != nil {
			s.lock.release()
			return nil, err
		}
	} else if !cfg.InMemory {
		return nil, errors.New("devstack: no data directory given")
	}

	if err := s.startServers(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	go s.watch()
	return s, nil
}

// startServers starts both at once, because each spends its time waiting.
func (s *Stack) startServers(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	var wg sync.WaitGroup
	var pgErr, temporalErr error
	wg.Go(func() {
		s.postgres, pgErr = StartPostgres(ctx, PostgresConfig{
			Dir: cfg.Dir, Port: cfg.PostgresPort, InMemory: cfg.InMemory, Progress: cfg.Progress,
		})
		if pgErr != nil {
			cancel(pgErr)
		}
	})
	wg.Go(func() {
		s.temporal, temporalErr = StartTemporal(ctx, TemporalConfig{
			Dir: cfg.Dir, Port: cfg.TemporalPort, UIPort: cfg.UIPort, Headless: cfg.Headless, InMemory: cfg.InMemory,
			SearchAttributes: cfg.SearchAttributes, DynamicConfig: cfg.DynamicConfig, Progress: cfg.Progress,
		})
		if temporalErr != nil {
			cancel(temporalErr)
		}
	})
	wg.Wait()
	// The first failure cancelled the other start; its "context canceled" would only hide the reason.
	if pgErr != nil || temporalErr != nil {
		return context.Cause(ctx)
	}

	s.DatabaseURL = s.postgres.URL
	s.TemporalAddress, s.Namespace, s.UIURL = s.temporal.Address, s.temporal.Namespace, s.temporal.UIURL
	if s.dir == "" {
		return nil
	}
	return writeAddresses(s.dir, Addresses{
		DatabaseURL: s.DatabaseURL, TemporalAddress: s.TemporalAddress, Namespace: s.Namespace, UIURL: s.UIURL,
		PID: os.Getpid(), PostgresPID: s.postgres.PID(), TemporalPID: s.temporal.PID(),
	})
}

func (s *Stack) watch() {
	defer close(s.done)
	select {
	case <-s.postgres.Done():
		s.fail(s.postgres.Err())
	case <-s.temporal.Done():
		s.fail(s.temporal.Err())
	case <-s.closing:
	}
}

func (s *Stack) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Done is closed when the stack is no longer whole: a server died by itself, or
// Close was called. After the former Close is still needed.
func (s *Stack) Done() <-chan struct{} { return s.done }

// Err says which server died by itself, with the end of its log; nil while both
// live and after an orderly Close.
func (s *Stack) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close stops Temporal, then PostgreSQL, waits for both, and removes stack.json.
// It may be called more than once; later calls return the first result.
func (s *Stack) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		var errs []error
		if s.dir != "" {
			errs = append(errs, removeAddresses(s.dir))
		}
		if s.temporal != nil {
			errs = append(errs, s.temporal.Close())
		}
		if s.postgres != nil {
			errs = append(errs, s.postgres.Close())
		}
		s.lock.release()
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}

func makeDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolve the data directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return "", fmt.Errorf("create the data directory: %w", err)
	}
	// Command lines are compared with this path later, so it must be the real one.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", fmt.Errorf("resolve the data directory: %w", err)
	}
	return abs, nil
}
