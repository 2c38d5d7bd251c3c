package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/internal/devstack"
	"sluice/schema"
	"sluice/workflows"
)

// Config says where a cluster lives and how many workers it has.
type Config struct {
	Dir        string // for data, logs and the worker's binary; must exist
	Workers    int
	WorkerArgs []string // flags for every worker, beside those it needs
	// Progress hears of what takes long. nil means silence.
	Progress func(format string, args ...any)
}

// Cluster is PostgreSQL, Temporal and workers.
type Cluster struct {
	Postgres, Temporal *Server
	Workers            []*Worker

	// DatabaseURL, TemporalAddress and Namespace lead straight to the servers, past the proxies.
	DatabaseURL, TemporalAddress, Namespace string
}

// readyPatience is for a first start on a busy machine.
const readyPatience = 2 * time.Minute

// Start builds the worker, brings everything up with the newest schema, and returns when every worker is ready. ctx
// bounds the start only. There is no dispatcher yet.
func Start(ctx context.Context, cfg Config) (_ *Cluster, err error) {
	c := &Cluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if cfg.Progress == nil {
		cfg.Progress = func(string, ...any) {}
	}
	ports, err := freePorts(2 + 2*cfg.Workers)
	if err != nil {
		return nil, err
	}
	c.addServers(cfg, ports[0], ports[1])
	binary := filepath.Join(cfg.Dir, "worker")
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() error { return build(starting, binary) })
	group.Go(func() error { return c.Postgres.Start(starting) })
	group.Go(func() error { return c.Temporal.Start(starting) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if _, err := schema.Migrate(ctx, c.DatabaseURL); err != nil {
		return nil, err
	}
	healths, callbacks := ports[2:2+cfg.Workers], ports[2+cfg.Workers:]
	for n := range cfg.Workers {
		w := &Worker{Number: n + 1, binary: binary, args: cfg.WorkerArgs, health: address(healths[n]), CallbackAddress: address(callbacks[n])}
		if err := c.addWorker(cfg, w, address(callbacks[(n+1)%cfg.Workers])); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	for _, w := range c.Workers {
		if err := w.AwaitReady(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Cluster) addServers(cfg Config, postgresPort, temporalPort int) {
	c.Postgres = &Server{name: "PostgreSQL", start: func(ctx context.Context) (handle, error) {
		p, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{Dir: cfg.Dir, Port: postgresPort, Progress: cfg.Progress})
		if err != nil {
			return nil, err
		}
		return p, nil
	}}
	c.Temporal = &Server{name: "Temporal", start: func(ctx context.Context) (handle, error) {
		t, err := devstack.StartTemporal(ctx, devstack.TemporalConfig{Dir: cfg.Dir, Port: temporalPort, Headless: true,
			SearchAttributes: workflows.SearchAttributeTypes(), Progress: cfg.Progress})
		if err != nil {
			return nil, err
		}
		return t, nil
	}}
	c.TemporalAddress, c.Namespace = address(temporalPort), "default"
	c.DatabaseURL = fmt.Sprintf("postgres://postgres@%s/sluice?sslmode=disable", address(postgresPort))
}

// addWorker gives a worker its ways and starts it. What it has started is told to the worker that takes callbacks at told.
func (c *Cluster) addWorker(cfg Config, w *Worker, told string) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, w.closeWays())
		}
	}()
	databaseAddress := strings.TrimPrefix(c.DatabaseURL, "postgres://postgres@")
	databaseAddress, _, _ = strings.Cut(databaseAddress, "/")
	if w.Postgres, err = NewProxy(databaseAddress); err != nil {
		return err
	}
	if w.Temporal, err = NewProxy(c.TemporalAddress); err != nil {
		return err
	}
	w.Temporal.PassClose() // or Temporal would hand tasks to polls of a connection that is lost, for a minute
	if w.Callbacks, err = NewProxy(told); err != nil {
		return err
	}
	w.Log = filepath.Join(cfg.Dir, fmt.Sprintf("worker-%d.log", w.Number))
	w.temporal, w.databaseURL = w.Temporal.Address, strings.Replace(c.DatabaseURL, databaseAddress, w.Postgres.Address, 1)
	if err := w.Start(); err != nil {
		return err
	}
	c.Workers = append(c.Workers, w)
	return nil
}

// build makes the worker's binary from the module that we belong to.
func build(ctx context.Context, binary string) error {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: go env GOMOD: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./worker")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the worker in %s: %w\n%s", root, err, out)
	}
	return nil
}

// Close ends everything that runs.
func (c *Cluster) Close() error {
	var errs []error
	for _, w := range c.Workers {
		w.Kill()
		errs = append(errs, w.closeWays())
	}
	for _, server := range []*Server{c.Temporal, c.Postgres} {
		if server != nil {
			errs = append(errs, server.Stop())
		}
	}
	return errors.Join(errs...)
}
