package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
	"sluice/workflows"
)

// callers is how many applications enqueue at once.
const callers = 16

// ending is how many executions end at once. Each waits for its own outcome, as a workflow does; a worker runs far more.
const ending = 128

// cycler does on Postgres what a cycle of the dispatcher does, with the same calls of package queue and the same policy,
// and starts nothing.
type cycler struct {
	queue    *queue.Queue
	memory   *queue.Memory
	recorder *queue.Recorder
	fence    queue.Fence
	mark     queue.Mark // when the last cycle looked
	started  int        // executions, by admit
	took     []steps    // by cycles that started some
}

func newCycler(ctx context.Context, of *queue.Queue, shard int) (*cycler, error) {
	q := of.Shard(shard)
	epoch, err := q.OpenEpoch(ctx, shard, uuid.NewString())
	if err != nil {
		return nil, err
	}
	return &cycler{queue: q, memory: q.Memory(), recorder: queue.NewRecorder(q), fence: queue.Fence{Shard: shard, Epoch: epoch}}, nil
}

// steps are the times that the steps of one cycle took.
type steps struct{ capacity, claim, settle, outcome time.Duration }

// admission is what it takes to know who may start what, and to take it.
func (s steps) admission() time.Duration { return s.capacity + s.claim }

// middle is the median of a part of cycles.
func middle(cycles []steps, part func(steps) time.Duration) time.Duration {
	var durations []time.Duration
	for _, s := range cycles {
		durations = append(durations, part(s))
	}
	return quantile(durations, 0.5)
}

// stepFigures are the medians of the steps; those that were not taken are left out.
func stepFigures(prefix string, cycles []steps) (figures []figure) {
	for _, step := range []struct {
		name string
		part func(steps) time.Duration
	}{
		{"capacity", func(s steps) time.Duration { return s.capacity }},
		{"claim", func(s steps) time.Duration { return s.claim }},
		{"settle", func(s steps) time.Duration { return s.settle }},
		{"outcome", func(s steps) time.Duration { return s.outcome }},
	} {
		if took := middle(cycles, step.part); took > 0 {
			figures = append(figures, figure{prefix + "." + step.name + ".ms", "ms", milliseconds(took)})
		}
	}
	return figures
}

// settleEvery is as in package activities: so many starts are settled as soon as they are there, and meanwhile all others
// are made, which the next statement settles.
const settleEvery = 32

// run admits at most a batch and settles it, as a starter would that needs no time. It returns the executions, which
// hold their slots now.
func (c *cycler) run(ctx context.Context, batch int) (executions []uuid.UUID, took steps, err error) {
	began := time.Now()
	decision, err := c.memory.Decide(ctx, c.fence, batch)
	if err != nil {
		return nil, took, err
	}
	c.mark = decision.Mark
	took.capacity = time.Since(began)
	if len(decision.Grants) == 0 {
		return nil, took, nil
	}

	began = time.Now()
	c.fence.Cycle++
	if _, err := c.memory.Claim(ctx, c.fence, decision.Grants, decision.Lines...); err != nil {
		return nil, took, err
	}
	took.claim = time.Since(began)

	began = time.Now()
	_, claims, err := c.memory.BeginDispatch(ctx, c.fence, workflows.MaxBatchSize)
	if err != nil {
		return nil, took, err
	}
	var started []queue.Started
	for _, claim := range claims {
		started = append(started, queue.Started{ExecutionID: claim.ExecutionID, RunID: "run"})
		executions = append(executions, claim.ExecutionID)
	}
	first := min(settleEvery, len(started))
	for _, some := range [][]queue.Started{started[:first], started[first:]} {
		if len(some) == 0 {
			continue
		}
		if err := c.queue.Settle(ctx, some); err != nil {
			return nil, took, err
		}
	}
	took.settle = time.Since(began)
	return executions, took, nil
}

// end records the outcome of each, as many at once as can end at once.
func (c *cycler) end(ctx context.Context, executions []uuid.UUID) (time.Duration, error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(ending)
	for _, id := range executions {
		group.Go(func() error { return endOne(ctx, c.recorder, id) })
	}
	err := group.Wait()
	return time.Since(began), err
}

func endOne(ctx context.Context, r *queue.Recorder, id uuid.UUID) error {
	recorded, err := r.Record(ctx, queue.Outcome{ExecutionID: id, RunID: "run", Status: workflows.StatusCompleted})
	if err == nil && !recorded {
		err = fmt.Errorf("execution %s had ended before", id)
	}
	return err
}
