package devstack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	postgresSuperuser = "postgres"
	databaseName      = "sluice"
	postgresLockName  = "postgres.lock"
	// startTimeout is for a loaded machine and a recovery after a kill; a start takes a second.
	startTimeout = 2 * time.Minute
)

// PostgresConfig is the PostgreSQL part of [Config]; its fields mean the same.
type PostgresConfig struct {
	Dir      string
	Port     int
	InMemory bool
	Progress func(format string, args ...any)
}

// Postgres is a running PostgreSQL server.
type Postgres struct {
	// URL names the database "sluice", as a superuser.
	URL  string
	Port int
	// DataDir is where the cluster really is, which need not be in Dir.
	DataDir string

	child   *child
	lock    *fileLock
	scratch *scratch

	closeOnce sync.Once
	closeErr  error
}

// postgresStop is a fast shutdown, then an immediate one, then none at all.
var postgresStop = []stopStep{
	{syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 10 * time.Second}, {syscall.SIGKILL, 5 * time.Second},
}

// StartPostgres initialises the cluster if need be, starts the server and makes
// sure that the database exists. ctx bounds the start only.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (_ *Postgres, err error) {
	if cfg.Dir == "" && !cfg.InMemory {
		return nil, errors.New("start PostgreSQL: no data directory given")
	}
	if err := checkPostgresPort(cfg.Port); err != nil {
		return nil, err
	}
	p := &Postgres{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start PostgreSQL: %w", err), p.Close())
		}
	}()
	if cfg.Dir != "" {
		if cfg.Dir, err = makeDir(cfg.Dir); err != nil {
			return nil, err
		}
		if p.lock, err = acquireDir(ctx, cfg.Dir, postgresLockName); err != nil {
			return nil, err
		}
	}

	installs, err := postgresInstalls(ctx, progressOf(cfg.Progress))
	if err != nil {
		return nil, err
	}
	cluster, err := p.openCluster(ctx, cfg, installs)
	if err != nil {
		return nil, err
	}
	p.DataDir = cluster.dir
	logPath := filepath.Join(cfg.Dir, "postgres.log")
	if cfg.Dir == "" {
		logPath = filepath.Join(p.scratch.path, "postgres.log")
	}
	p.child, err = retryPortRace(func() (*child, error) { return p.launch(ctx, cfg, cluster, logPath) })
	if err != nil {
		return nil, err
	}
	return p, nil
}

// openCluster finds or makes the cluster: in a scratch directory, or where Dir keeps it.
func (p *Postgres) openCluster(ctx context.Context, cfg PostgresConfig, installs []postgresInstall) (*cluster, error) {
	if !cfg.InMemory {
		return openCluster(ctx, cfg.Dir, installs, progressOf(cfg.Progress))
	}
	user, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	install, err := firstUsable(installs, user)
	if err != nil {
		return nil, err
	}
	if p.scratch, err = newScratch(ctx, user); err != nil {
		return nil, err
	}
	c := &cluster{dir: filepath.Join(p.scratch.path, clusterName), install: install, user: user}
	return c, c.init(ctx, "--no-sync")
}

// launch starts the server on one port and waits until it answers there.
func (p *Postgres) launch(ctx context.Context, cfg PostgresConfig, c *cluster, logPath string) (*child, error) {
	port, err := pickPort(cfg.Port)
	if err != nil {
		return nil, err
	}
	server, err := startChild(childSpec{
		name: "PostgreSQL", path: c.install.postgres, args: postgresArgs(c.dir, port, cfg.InMemory),
		env: cleanEnv("LC_ALL=C"), user: c.user, log: logPath,
		deathSignal: syscall.SIGINT, // a fast shutdown
	})
	if err != nil {
		return nil, err
	}
	p.Port = port
	p.URL = postgresURL(port, databaseName)
	if err := awaitPostgres(ctx, server, port, c.dir); err != nil {
		return nil, errors.Join(err, server.stop(postgresStop...))
	}
	return server, nil
}

func postgresArgs(dataDir string, port int, inMemory bool) []string {
	args := []string{"-D", dataDir}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", loopback)
	set("port", strconv.Itoa(port))
	set("unix_socket_directories", "") // one door is enough, and no directory has to be writable for it
	set("max_connections", "200")
	set("shared_buffers", "128MB")
	set("jit", "off") // it costs more than it gains on short queries
	set("logging_collector", "off")
	set("log_destination", "stderr")
	if inMemory {
		set("fsync", "off")
		set("synchronous_commit", "off")
		set("full_page_writes", "off")
		set("wal_level", "minimal")
		set("max_wal_senders", "0")
		set("max_prepared_transactions", "8") // an application may prepare its transactions, and tests do
	}
	return args
}

func postgresURL(port int, database string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", postgresSuperuser, hostPort(port), database)
}

// awaitPostgres returns once our server answers and has the database.
func awaitPostgres(ctx context.Context, server *child, port int, dataDir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it does not answer after %s", startTimeout))
	defer cancel()
	ctx, done := server.whileAlive(ctx)
	defer done()
	for {
		last := ensureDatabase(ctx, port, dataDir)
		// The end of the process comes first: after a lost race for the port it was another server that answered.
		if err := server.died(); err != nil {
			return err
		}
		if last == nil {
			return nil
		}
		if err := sleep(ctx, 30*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the server to answer: %w; last: %w; the end of %s:\n%s",
				err, last, server.spec.log, tailOf(server.spec.log, server.logStart))
		}
	}
}

func ensureDatabase(ctx context.Context, port int, dataDir string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, postgresURL(port, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var answering string
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT current_setting('data_directory'), EXISTS (SELECT FROM pg_database WHERE datname = $1)`,
		databaseName).Scan(&answering, &exists); err != nil {
		return err
	}
	if answering != dataDir {
		return fmt.Errorf("another PostgreSQL server answers on port %d, with its data in %s", port, answering)
	}
	if exists {
		return nil
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{databaseName}.Sanitize())
	return err
}

// PID is the postmaster.
func (p *Postgres) PID() int { return p.child.pid() }

// Done is closed when the server's process has ended.
func (p *Postgres) Done() <-chan struct{} { return p.child.exited }

// Err says why the server ended by itself; nil while it runs and after Close.
func (p *Postgres) Err() error { return p.child.died() }

// Close shuts the server down, waits for it, and removes what InMemory left on disk.
func (p *Postgres) Close() error {
	p.closeOnce.Do(func() {
		var errs []error
		if p.child != nil {
			errs = append(errs, p.child.stop(postgresStop...))
		}
		if p.scratch != nil {
			errs = append(errs, p.scratch.remove())
		}
		p.lock.release()
		p.closeErr = errors.Join(errs...)
	})
	return p.closeErr
}

func progressOf(f func(format string, args ...any)) func(format string, args ...any) {
	if f == nil {
		return func(string, ...any) {}
	}
	return f
}
