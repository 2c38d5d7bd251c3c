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
	ports, err := freePorts(2 + cfg.Workers)
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
	for n, health := range ports[2:] {
		if err := c.addWorker(cfg, n+1, binary, address(health)); err != nil {
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
	attributes := map[string]string{}
	for _, name := range workflows.SearchAttributes() {
		attributes[name] = "Keyword"
	}
	c.Postgres = &Server{name: "PostgreSQL", start: func(ctx context.Context) (handle, error) {
		p, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{Dir: cfg.Dir, Port: postgresPort, Progress: cfg.Progress})
		if err != nil {
			return nil, err
		}
		return p, nil
	}}
	c.Temporal = &Server{name: "Temporal", start: func(ctx context.Context) (handle, error) {
		t, err := devstack.StartTemporal(ctx, devstack.TemporalConfig{Dir: cfg.Dir, Port: temporalPort, Headless: true,
			SearchAttributes: attributes, Progress: cfg.Progress})
		if err != nil {
			return nil, err
		}
		return t, nil
	}}
	c.TemporalAddress, c.Namespace = address(temporalPort), "default"
	c.DatabaseURL = fmt.Sprintf("postgres://postgres@%s/sluice?sslmode=disable", address(postgresPort))
}

func (c *Cluster) addWorker(cfg Config, number int, binary, health string) error {
	databaseAddress := strings.TrimPrefix(c.DatabaseURL, "postgres://postgres@")
	databaseAddress, _, _ = strings.Cut(databaseAddress, "/")
	postgres, err := NewProxy(databaseAddress)
	if err != nil {
		return err
	}
	temporal, err := NewProxy(c.TemporalAddress)
	if err != nil {
		return errors.Join(err, postgres.Close())
	}
	temporal.PassClose() // or Temporal would hand tasks to polls of a connection that is lost, for a minute
	w := &Worker{
		Number: number, Postgres: postgres, Temporal: temporal, Log: filepath.Join(cfg.Dir, fmt.Sprintf("worker-%d.log", number)),
		binary: binary, health: health, args: cfg.WorkerArgs, temporal: temporal.Address,
		databaseURL: strings.Replace(c.DatabaseURL, databaseAddress, postgres.Address, 1),
	}
	if err := w.Start(); err != nil {
		return errors.Join(err, postgres.Close(), temporal.Close())
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
		errs = append(errs, w.Postgres.Close(), w.Temporal.Close())
	}
	for _, server := range []*Server{c.Temporal, c.Postgres} {
		if server != nil {
			errs = append(errs, server.Stop())
		}
	}
	return errors.Join(errs...)
}
