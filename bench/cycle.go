package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/workflows"
)

// cycler takes on Postgres the steps of a dispatcher's cycle, with the engine that the dispatcher has, and starts nothing.
type cycler struct {
	*dispatch.Engine
	database *database
	recorder *store.Recorder // of the outcomes
	run      int64
	started  int     // executions, by admit
	took     []steps // by cycles that have started some
}

// newCyclers are those of all shards, in one process. Each takes its shard over, loads it, and plans a batch.
func newCyclers(ctx context.Context, d *database, shards, batch int) (all []*cycler, err error) {
	engines := dispatch.New(d.worker)
	recorder := store.NewRecorder(d.worker, engines.Freed)
	for shard := range shards {
		c := &cycler{Engine: engines.Of(shard), database: d, recorder: recorder}
		if c.run, err = store.TakeOver(ctx, d.worker, shard, uuid.NewString(), 0); err != nil {
			return nil, err
		}
		if _, err := c.Plan(ctx, c.run, batch); err != nil {
			return nil, err
		}
		if _, err := c.Begin(ctx, c.run, workflows.MaxBatchSize); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// newCycler is that of the only shard.
func newCycler(ctx context.Context, d *database, batch int) (*cycler, error) {
	all, err := newCyclers(ctx, d, 1, batch)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// steps are the times that the steps of one cycle took.
type steps struct{ plan, claim time.Duration }

// admission is what it takes to know which items may start, and to take them.
func (s steps) admission() time.Duration { return s.plan + s.claim }

// mean is what a part of cycles took on average. What is read ahead in some serves others, so a median would not do.
func mean(cycles []steps, part func(steps) time.Duration) (sum time.Duration) {
	for _, s := range cycles {
		sum += part(s)
	}
	return sum / time.Duration(max(1, len(cycles)))
}

// stepFigures are the means of the steps.
func stepFigures(prefix string, cycles []steps) []figure {
	return []figure{
		{prefix + ".plan.ms", "ms", milliseconds(mean(cycles, func(s steps) time.Duration { return s.plan }))},
		{prefix + ".claim.ms", "ms", milliseconds(mean(cycles, func(s steps) time.Duration { return s.claim }))},
	}
}

// cycle admits at most a batch. What it returns holds its slots, and waits for its start.
func (c *cycler) cycle(ctx context.Context, batch int) (executions []dispatch.Execution, took steps, err error) {
	began := time.Now()
	outlook, err := c.Plan(ctx, c.run, batch)
	took.plan = time.Since(began)
	if err != nil || outlook.Items == 0 {
		return nil, took, err
	}
	began = time.Now()
	if _, err := c.Claim(ctx, c.run); err != nil {
		return nil, took, err
	}
	executions, err = c.Begin(ctx, c.run, workflows.MaxBatchSize)
	took.claim = time.Since(began)
	return executions, took, err
}

// settle records that the executions are started, as a starter would that needs no time.
func (c *cycler) settle(ctx context.Context, executions []dispatch.Execution) error {
	started := make([]store.Started, len(executions))
	for i, x := range executions {
		started[i] = store.Started{ExecutionID: x.ID, RunID: "run"}
	}
	return store.Settle(ctx, c.database.worker, started)
}

// ending is how many executions end at once, each of which waits for its own outcome: as many as a worker of the SDK
// records at once with its defaults.
const ending = 1000

// end records the outcome of each, as many at once as can end at once.
func (c *cycler) end(ctx context.Context, executions []dispatch.Execution) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(ending)
	for _, x := range executions {
		group.Go(func() error { return c.endOne(ctx, x.ID) })
	}
	return group.Wait()
}

func (c *cycler) endOne(ctx context.Context, id uuid.UUID) error {
	recorded, err := c.recorder.Record(ctx, store.Outcome{ExecutionID: id, RunID: "run", Status: workflows.StatusCompleted})
	if err == nil && !recorded {
		err = fmt.Errorf("execution %s had ended before", id)
	}
	return err
}
