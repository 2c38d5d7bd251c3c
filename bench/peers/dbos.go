package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"golang.org/x/sync/errgroup"
)

const (
	dbosModule = "github.com/dbos-inc/dbos-transact-golang"
	dbosQueue  = "peers"
	dbosNoop   = "nothing"
	// dbosStop is how long a shutdown may take; everything has ended by then.
	dbosStop = 30 * time.Second
)

// dbosExecutor is one process with a partitioned queue: a workspace is a partition.
type dbosExecutor struct {
	work *work
	url  string
	dbos dbos.Context
}

// openDBOS sets the queue up with these options; they must say what caps a partition.
func openDBOS(options func(limit int) []dbos.QueueOption) opener {
	return func(ctx context.Context, url string, w *work) (contender, error) {
		d, err := dbos.NewContext(ctx, dbos.Config{DatabaseURL: url, AppName: "sluice-peers", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, fmt.Errorf("make a DBOS context: %w", err)
		}
		one := &dbosExecutor{work: w, url: url, dbos: d}
		dbos.RegisterWorkflow(d, func(_ dbos.Context, item int) (int, error) {
			w.run(item)
			return item, nil
		}, dbos.WithWorkflowName(dbosNoop))
		if _, err := dbos.RegisterQueue(d, dbosQueue, options(w.limit)...); err != nil {
			_ = one.close(ctx)
			return nil, fmt.Errorf("register a DBOS queue: %w", err)
		}
		return one, nil
	}
}

// enqueue uses a few transactions of many items each: DBOS has no call for many at once.
func (d *dbosExecutor) enqueue(ctx context.Context) error {
	pool, err := openPool(ctx, d.url)
	if err != nil {
		return err
	}
	defer pool.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callers)
	for first := 0; first < d.work.items(); first += bulkItems {
		group.Go(func() error {
			tx, err := pool.Begin(ctx)
			if err != nil {
				return fmt.Errorf("begin: %w", err)
			}
			defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
			for item := first; item < min(first+bulkItems, d.work.items()); item++ {
				_, err := dbos.Enqueue[int](d.dbos, dbosQueue, dbosNoop, item, dbos.WithEnqueueTransaction(tx),
					dbos.WithEnqueueQueuePartitionKey(strconv.Itoa(d.work.workspace(item))))
				if err != nil {
					return fmt.Errorf("enqueue on DBOS: %w", err)
				}
			}
			return tx.Commit(ctx)
		})
	}
	return group.Wait()
}

// drain launches the executor, which polls at once.
func (d *dbosExecutor) drain(context.Context) error {
	if err := dbos.Launch(d.dbos); err != nil {
		return fmt.Errorf("launch DBOS: %w", err)
	}
	return nil
}

func (*dbosExecutor) records() records {
	return records{
		held: `SELECT queue_partition_key AS workspace, to_timestamp(started_at_epoch_ms / 1000.0) AS began, to_timestamp(completed_at / 1000.0) AS ended
			FROM dbos.workflow_status WHERE status = 'SUCCESS'`,
		open: `EXISTS (SELECT FROM dbos.workflow_status WHERE status <> 'SUCCESS')`,
	}
}

func (d *dbosExecutor) close(context.Context) error {
	if err := dbos.Shutdown(d.dbos, dbosStop); err != nil {
		return fmt.Errorf("shut DBOS down: %w", err)
	}
	return nil
}
