package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/internal/operate"
	"sluice/workflows"
)

const aboutThroughput = `Executions that do nothing, over workspaces whose limits don't bind, from just before the
first is asked for until the last outcome is on record in Postgres. With Sluice they are enqueued in bulk. Without it
a client starts the same workflow with the same input on the same task queues, 32 starts at a time, with an id and
nothing else: no search attributes, memo or summary, which Sluice sets, and no eager starts, which it asks for. Both kinds of execution record their outcome
in the same way: for the plain ones the slots that an outcome frees are there before the clock starts, and
the dispatcher is paused while they run, so that it takes nothing from them. The two take turns (Sluice, plain, plain,
Sluice). Rates are executions per second; those of starts count to the last start, beside which executions run and end
already.`

const plainStarts = 32

func throughput(ctx context.Context, b *bench) (_ []figure, err error) {
	n := pick(b.scale, 20, 200, 2000)
	// No limit may bind, although the plain executions hold slots too.
	s, err := b.newStack(ctx, pick(b.scale, 5, 20, 50), 10*n, workflows.Tunables{})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	var ours, plain, oursStarting, plainStarting time.Duration
	for _, with := range []bool{true, false, false, true} {
		if with {
			started, ended, err := s.throughSluice(ctx, n)
			if err != nil {
				return nil, err
			}
			oursStarting, ours = oursStarting+started, ours+ended
			continue
		}
		if _, err := operate.Pause(ctx, s.client, s.worker, workflows.PauseRequest{Actor: "bench"}); err != nil {
			return nil, err
		}
		started, ended, err := s.throughPlainStarts(ctx, n)
		if err != nil {
			return nil, err
		}
		plainStarting, plain = plainStarting+started, plain+ended
		if _, err := operate.Resume(ctx, s.client, s.worker, workflows.ResumeRequest{Actor: "bench"}); err != nil {
			return nil, err
		}
	}
	return []figure{
		{"ratio", "times", ratio(plain, ours)},
		{"rate", "per s", float64(2*n) / ours.Seconds()}, {"plain.rate", "per s", float64(2*n) / plain.Seconds()},
		{"starts.rate", "per s", float64(2*n) / oursStarting.Seconds()}, {"plain.starts.rate", "per s", float64(2*n) / plainStarting.Seconds()},
	}, nil
}

// throughSluice returns when the last of n was started, and when the last had ended.
func (s *stack) throughSluice(ctx context.Context, n int) (started, ended time.Duration, err error) {
	began := time.Now()
	ids, err := s.enqueue(ctx, n)
	if err != nil {
		return 0, 0, err
	}
	if ended, err = s.untilEnded(ctx, ids, began); err != nil {
		return 0, 0, err
	}
	var last time.Time
	if err := s.pool.QueryRow(ctx, `SELECT max(dispatched_at) FROM sluice.ended WHERE id = ANY ($1)`, ids).Scan(&last); err != nil {
		return 0, 0, fmt.Errorf("look at the starts: %w", err)
	}
	return last.Sub(began), ended, nil
}

func (s *stack) throughPlainStarts(ctx context.Context, n int) (started, ended time.Duration, err error) {
	ids, err := s.hold(ctx, n)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	group, starting := errgroup.WithContext(ctx)
	group.SetLimit(plainStarts)
	for i, id := range ids {
		place := i % len(s.workspaces)
		group.Go(func() error {
			return s.plain.start(starting, workflows.ExecutionID(id), id, s.workspaces[place], s.definitions[place])
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	started = time.Since(began)
	ended, err = s.untilEnded(ctx, ids, began)
	return started, ended, err
}

// hold has so many executions hold a slot, in turn of all workspaces. No dispatcher has claimed them, nor is told of them.
func (s *stack) hold(ctx context.Context, n int) (ids []uuid.UUID, err error) {
	for range n {
		ids = append(ids, uuid.Must(uuid.NewV7()))
	}
	_, err = s.pool.Exec(ctx, `
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at,
			dispatched_at, trigger_type, enqueued_by, input)
		SELECT id, ($2::uuid[])[1 + (n - 1) % cardinality($2)], ($3::uuid[])[1 + (n - 1) % cardinality($3)], 3, 0, 0, now(), now(), now(), now(),
			'FUNCTION', 'bench', '{}'
		FROM unnest($1::uuid[]) WITH ORDINALITY AS held (id, n)`, ids, s.workspaces, s.definitions)
	if err != nil {
		return nil, fmt.Errorf("hold slots: %w", err)
	}
	return ids, nil
}

// untilEnded is when the last of these executions had ended, by its record.
func (s *stack) untilEnded(ctx context.Context, ids []uuid.UUID, began time.Time) (time.Duration, error) {
	if err := s.awaitEnded(ctx); err != nil {
		return 0, err
	}
	last, err := s.lastOutcome(ctx, ids)
	if err != nil {
		return 0, fmt.Errorf("look at the outcomes: %w", err)
	}
	return last.Sub(began), nil
}
