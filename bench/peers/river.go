package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const riverModule = "github.com/riverqueue/river"

// riverJob is an item.
type riverJob struct {
	Item      int `json:"item"`
	Workspace int `json:"workspace"`
}

// Kind names the worker.
func (riverJob) Kind() string { return "nothing" }

type riverWorker struct {
	river.WorkerDefaults[riverJob]
	work *work
}

// Work does nothing.
func (r *riverWorker) Work(_ context.Context, job *river.Job[riverJob]) error {
	r.work.run(job.Args.Item)
	return nil
}

// riverClient is one process that works one queue. River without its paid extension has no cap per key, so the
// workspace is only an argument of the job.
type riverClient struct {
	work    *work
	pool    *pgxpool.Pool
	river   *river.Client[pgx.Tx]
	started bool
}

func openRiver(queue river.QueueConfig) opener {
	return func(ctx context.Context, url string, w *work) (contender, error) {
		pool, err := openPool(ctx, url)
		if err != nil {
			return nil, err
		}
		r := &riverClient{work: w, pool: pool}
		if err := r.setUp(ctx, queue); err != nil {
			pool.Close()
			return nil, err
		}
		return r, nil
	}
}

func (r *riverClient) setUp(ctx context.Context, queue river.QueueConfig) error {
	silent := slog.New(slog.DiscardHandler)
	driver := riverpgxv5.New(r.pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: silent})
	if err != nil {
		return fmt.Errorf("make River's migrator: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate River: %w", err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{work: r.work})
	r.river, err = river.NewClient(driver, &river.Config{Logger: silent, Workers: workers,
		Queues: map[string]river.QueueConfig{river.QueueDefault: queue}})
	if err != nil {
		return fmt.Errorf("make a River client: %w", err)
	}
	return nil
}

func (r *riverClient) enqueue(ctx context.Context) error {
	for first := 0; first < r.work.items(); first += bulkItems {
		var jobs []river.InsertManyParams
		for item := first; item < min(first+bulkItems, r.work.items()); item++ {
			jobs = append(jobs, river.InsertManyParams{Args: riverJob{Item: item, Workspace: r.work.workspace(item)}})
		}
		if _, err := r.river.InsertManyFast(ctx, jobs); err != nil {
			return fmt.Errorf("enqueue on River: %w", err)
		}
	}
	return nil
}

// drain starts the client, which fetches at once. Its context is not the one of the run: to cancel that would stop the
// client the hard way.
func (r *riverClient) drain(ctx context.Context) error {
	if err := r.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start River: %w", err)
	}
	r.started = true
	return nil
}

// records: when a job ended is by the clock of the client, all other times are the server's.
func (*riverClient) records() records {
	return records{
		held: `SELECT args->>'workspace' AS workspace, attempted_at AS began, finalized_at AS ended FROM river_job WHERE state = 'completed'`,
		open: `EXISTS (SELECT FROM river_job WHERE state <> 'completed')`,
	}
}

func (r *riverClient) close(ctx context.Context) error {
	defer r.pool.Close()
	if !r.started {
		return nil
	}
	if err := r.river.Stop(ctx); err != nil {
		return fmt.Errorf("stop River: %w", err)
	}
	return nil
}
