package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"sluice/internal/devstack"
)

// patience is how long one run may take from the first admission to the last outcome.
const patience = 5 * time.Minute

// contender is a system with an empty database of its own, for one run.
type contender interface {
	// enqueue adds all items. Nothing may be admitted yet.
	enqueue(ctx context.Context) error
	// drain lets the system loose. It may return before the work is done.
	drain(ctx context.Context) error
	records() records
	// close ends it and everything it has started.
	close(ctx context.Context) error
}

// opener makes a contender that runs the items of w.
type opener func(ctx context.Context, url string, w *work) (contender, error)

// system is a contender with its settings: a line of the report.
type system struct {
	name    string
	module  string // whose version counts; empty: this one
	setting string
	capped  bool // whether it can cap what a workspace has running
	open    opener
}

// systems in the order they take turns in. The first is what the others are compared with.
var systems = []system{
	{name: "Sluice", setting: "batches of 100", capped: true, open: openSluice(100)},
	{name: "Sluice", setting: "batches of 500", capped: true, open: openSluice(500)},
	{name: "DBOS", module: dbosModule, setting: "partitioned queue, default polling (1 s)", capped: true, open: openDBOS(func(limit int) []dbos.QueueOption {
		return []dbos.QueueOption{dbos.WithPartitionConcurrency(limit)}
	})},
	{name: "DBOS", module: dbosModule, setting: "partitioned queue, polling every 20 ms", capped: true, open: openDBOS(func(limit int) []dbos.QueueOption {
		return []dbos.QueueOption{dbos.WithPartitionConcurrency(limit), dbos.WithQueueBasePollingInterval(20 * time.Millisecond)}
	})},
	{name: "River", module: riverModule, setting: "100 workers, as in its guide", open: openRiver(river.QueueConfig{MaxWorkers: 100})},
	{name: "River", module: riverModule, setting: "2,000 workers, fetch cooldown 10 ms", open: openRiver(river.QueueConfig{MaxWorkers: 2000, FetchCooldown: 10 * time.Millisecond})},
}

// result is what one run has shown.
type result struct {
	rate   float64 // items per second
	atOnce int     // the most that a workspace had running at one time
}

// bench is what the runs share.
type bench struct {
	server   string // URL of the PostgreSQL in which databases are created
	made     int    // databases so far
	progress func(format string, args ...any)
}

// execute lets the systems take turns and writes the report.
func execute(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	b := &bench{server: o.server, progress: func(format string, args ...any) {
		_, _ = fmt.Fprintf(stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}}
	if b.server == "" {
		stop, startErr := b.start(ctx)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	r := report{options: o, began: time.Now(), results: make([][]result, len(systems))}
	if r.postgres, err = serverSettings(ctx, b.server); err != nil {
		return err
	}
	for n := range o.repeat {
		for i, s := range systems {
			b.progress("round %d of %d: %s, %s", n+1, o.repeat, s.name, s.setting)
			result, err := b.run(ctx, s, o.scale.size())
			if err != nil {
				return fmt.Errorf("%s, %s: %w", s.name, s.setting, err)
			}
			b.progress("  %.0f per s, at most %d of a workspace at once", result.rate, result.atOnce)
			r.results[i] = append(r.results[i], result)
		}
	}
	r.took = time.Since(r.began)
	return r.markdown(stdout)
}

// start starts a PostgreSQL server on disk, with fsync; stop ends it and removes its data.
func (b *bench) start(ctx context.Context) (stop func() error, err error) {
	dir, err := os.MkdirTemp("", "sluice-peers-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the server: %w", err)
	}
	// PostgreSQL does not run as root; where we do, it must be able to enter as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the directory to PostgreSQL: %w", err)
	}
	server, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{Dir: filepath.Join(dir, "postgres"), Progress: b.progress})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	b.server = server.URL
	return func() error { return errors.Join(server.Close(), os.RemoveAll(dir)) }, nil
}

// run does the work once with a system, from an empty database, and checks that it has been done.
func (b *bench) run(ctx context.Context, s system, size size) (_ result, err error) {
	b.made++
	url, drop, err := createDatabase(ctx, b.server, fmt.Sprintf("peers_%d", b.made))
	if err != nil {
		return result{}, err
	}
	defer drop()
	w := newWork(size)
	c, err := s.open(ctx, url, w)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	if err := c.enqueue(ctx); err != nil {
		return result{}, err
	}
	if err := tidy(ctx, url); err != nil {
		return result{}, err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return result{}, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	draining, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := c.drain(draining); err != nil {
		return result{}, err
	}
	last, err := c.records().awaitOutcomes(draining, conn, w)
	if err != nil {
		return result{}, err
	}
	sum, err := c.records().read(ctx, conn)
	if err != nil {
		return result{}, err
	}
	if sum.items != w.items() {
		return result{}, fmt.Errorf("%d of %d items have an outcome", sum.items, w.items())
	}
	return result{rate: float64(w.items()) / last.Sub(sum.began).Seconds(), atOnce: sum.atOnce}, w.check()
}
