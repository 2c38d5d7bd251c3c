package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice/workflows"
)

const aboutRefill = `A workspace that may run one execution at a time gets a backlog of eleven: ten times the slot is
filled again. From the outcome of one execution on record in Postgres to the first workflow task of the next. In turn
with ten plain starts of the same workflow on the same task queue, one every 100 ms: from just before the start to the
first workflow task.`

const refillsAtOnce = 10

func refill(ctx context.Context, b *bench) (_ []figure, err error) {
	s, err := b.newStack(ctx, 1, 1, workflows.Tunables{})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	var took, floor []time.Duration
	for range pick(b.scale, 1, 2, 20) {
		refills, err := s.refills(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, refills...)
		starts, err := s.plainlyOneByOne(ctx, refillsAtOnce)
		if err != nil {
			return nil, err
		}
		floor = append(floor, starts...)
	}
	return quantiles("", took, floor), nil
}

// plainEvery leaves time for a plain execution to end before the next one.
const plainEvery = 100 * time.Millisecond

func (s *stack) plainlyOneByOne(ctx context.Context, n int) ([]time.Duration, error) {
	var started []asked
	for range n {
		plain, err := s.plain.ask(ctx, s.workspaces[0], s.definitions[0])
		if err != nil {
			return nil, err
		}
		started = append(started, plain)
		if err := rest(ctx, plainEvery); err != nil {
			return nil, err
		}
	}
	return s.toFirstTasks(ctx, started)
}

// refills lets a backlog run, and returns how long the slot was empty each time.
func (s *stack) refills(ctx context.Context) (took []time.Duration, err error) {
	ids, err := s.enqueue(ctx, refillsAtOnce+1)
	if err != nil {
		return nil, err
	}
	if err := s.awaitEnded(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, `SELECT id, ended_at FROM sluice.ended WHERE id = ANY ($1) ORDER BY claimed_at`, ids)
	if err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	defer rows.Close()
	var freed time.Time
	for rows.Next() {
		var id uuid.UUID
		var completed time.Time
		if err := rows.Scan(&id, &completed); err != nil {
			return nil, fmt.Errorf("read outcomes: %w", err)
		}
		task, err := s.tasks.first(ctx, workflows.ExecutionID(id))
		if err != nil {
			return nil, err
		}
		if !freed.IsZero() {
			took = append(took, task.Sub(freed))
		}
		freed = completed
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	if len(took) != refillsAtOnce {
		return nil, fmt.Errorf("%d of %d refills found", len(took), refillsAtOnce)
	}
	return took, nil
}
