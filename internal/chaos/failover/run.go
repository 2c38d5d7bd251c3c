package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"sluice/admin"
	"sluice/internal/chaos/cluster"
	"sluice/internal/operate"
	"sluice/queue"
	"sluice/workflows"
)

// bench is a cluster under measurement.
type bench struct {
	*cluster.Cluster
	temporal   client.Client
	pool       *pgxpool.Pool
	queue      *queue.Client
	workspaces []workspace
	batch      int
}

// workspace has a definition that does nothing.
type workspace struct{ id, definition uuid.UUID }

const (
	workspaces = 20
	limit      = 50 // of each; more than a batch needs
)

func run(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "sluice-failover-")
	if err != nil {
		return fmt.Errorf("make a directory for the cluster: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL may run as another user
		return err
	}
	b := &bench{batch: o.batch}
	progress := func(format string, args ...any) { _, _ = fmt.Fprintf(stderr, format+"\n", args...) }
	if b.Cluster, err = cluster.Start(ctx, cluster.Config{Dir: dir, Workers: o.workers, Progress: progress}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.prepare(ctx, o); err != nil {
		return err
	}
	defer b.temporal.Close()
	defer b.pool.Close()

	_, _ = fmt.Fprintf(stdout, "| the dispatcher was | kills | median s | p90 s | worst s |\n|---|---|---|---|---|\n")
	for _, s := range situations {
		var took []time.Duration
		for round := range o.rounds {
			d, err := b.round(ctx, s)
			if err != nil {
				return fmt.Errorf("round %d of %s: %w", round+1, s.name, err)
			}
			progress("%s %d/%d: %s", s.name, round+1, o.rounds, d.Round(10*time.Millisecond))
			took = append(took, d)
		}
		slices.Sort(took)
		_, _ = fmt.Fprintf(stdout, "| %s | %d | %.1f | %.1f | %.1f |\n", s.name, len(took),
			took[len(took)/2].Seconds(), took[len(took)*9/10].Seconds(), took[len(took)-1].Seconds())
	}
	return nil
}

// prepare connects past the proxies, creates the workspaces and starts the dispatcher.
func (b *bench) prepare(ctx context.Context, o options) (err error) {
	b.temporal, err = client.DialContext(ctx, client.Options{HostPort: b.TemporalAddress, Namespace: b.Namespace,
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return fmt.Errorf("dial Temporal: %w", err)
	}
	if b.pool, err = pgxpool.New(ctx, b.DatabaseURL); err != nil {
		return fmt.Errorf("open a pool: %w", err)
	}
	b.queue = queue.New(b.pool)
	office := admin.New(b.pool)
	if _, err := office.SetTier(ctx, "FAILOVER", admin.TierChange{MaxConcurrentWorkflows: new(limit)}, "failover"); err != nil {
		return err
	}
	for n := range workspaces {
		w, err := office.CreateWorkspace(ctx, fmt.Sprintf("workspace %d", n), "FAILOVER", "failover")
		if err != nil {
			return err
		}
		d, err := office.ApplyDefinition(ctx, w.ID, []byte(`{"name":"nothing","nodes":[{"id":"`+uuid.NewString()+`","type":"noop"}]}`), "failover")
		if err != nil {
			return err
		}
		b.workspaces = append(b.workspaces, workspace{w.ID, d.ID})
	}
	state := workflows.State{Tunables: workflows.Tunables{BatchSize: o.batch}}
	_, err = operate.Start(ctx, b.temporal, b.Namespace, b.pool, state)
	return err
}
