package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/bench/browsers"
	"sluice/bench/history"
	"sluice/internal/operate"
	"sluice/internal/web/access"
	"sluice/internal/web/dashboard"
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

const aboutDashboard = `Executions as in throughput, with Sluice alone, while ten pages of the dashboard are open in the same process, each
asking for its live part every 2 s, and while none is. The two take turns (without, with, with, without). Those who look are plain HTTP clients on
this machine: what a browser does with a page costs Sluice nothing. The processor times are those of this process with its ten clients, of
PostgreSQL and of Temporal: what they used while pages were open beyond what the same number of executions took without, for each second.`

// openPages is how many pages are open.
const openPages = 10

func dashboardOpen(ctx context.Context, b *bench) (_ []figure, err error) {
	n := pick(b.scale, 20, 400, 3000)
	s, err := b.newStack(ctx, pick(b.scale, 5, 20, 50), 10*n, workflows.Tunables{})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	pages, stop := dashboard.New(dashboard.Config{Pool: s.worker, Temporal: s.client, Namespace: s.servers.Namespace,
		Guard: access.New(access.Config{DB: s.worker, Loopback: true}), Logger: slog.New(slog.DiscardHandler)})
	defer stop()
	addresses := []string{"/", "/workspaces", "/workspaces/" + s.workspaces[0].String(), "/items", "/items?status=RUNNING", "/failures", "/types", "/activity"}
	took, used, answered := map[bool]time.Duration{}, map[bool]*spent{false: {}, true: {}}, 0
	for _, open := range []bool{false, true, true, false} {
		var looking *browsers.Open
		before := spentSoFar()
		if open {
			if looking, err = browsers.Hold(ctx, pages, openPages, addresses); err != nil {
				return nil, err
			}
		}
		_, ended, err := s.throughSluice(ctx, n)
		if looking != nil {
			shown, closeErr := looking.Close()
			answered, err = answered+shown, errors.Join(err, closeErr)
		}
		if err != nil {
			return nil, err
		}
		took[open] += ended
		used[open].add(before, spentSoFar())
	}
	more := func(with, without time.Duration) float64 {
		return float64((with - without).Milliseconds()) / took[true].Seconds()
	}
	return []figure{
		{"ratio", "times", ratio(took[false], took[true])},
		{"rate", "per s", float64(2*n) / took[true].Seconds()}, {"without.rate", "per s", float64(2*n) / took[false].Seconds()},
		{"pages", "per s", float64(answered) / took[true].Seconds()},
		{"cpu.process", "ms per s", more(used[true].process, used[false].process)},
		{"cpu.postgres", "ms per s", more(used[true].postgres, used[false].postgres)},
		{"cpu.temporal", "ms per s", more(used[true].temporal, used[false].temporal)},
	}, nil
}

const aboutHistory = `The pages of the dashboard and the listings of the API over a history: 2,000 workspaces, 3 million items that ended within ten
days, 200,000 that wait and 2,000 that run, each asked for 20 times in a row, without Temporal. Of each the time in which 19 of 20 are answered,
and the processor time of an answer, PostgreSQL and Go.`

// historyAnswers asks for pages over a long history.
func historyAnswers(ctx context.Context, b *bench) (figures []figure, err error) {
	d, err := b.newDatabase(ctx, 0, 5)
	if err != nil {
		return nil, err
	}
	defer d.close()
	sizes := history.Sizes{Workspaces: pick(b.scale, 10, 200, 2000), Ended: pick(b.scale, 1000, 100_000, 3_000_000), Pending: pick(b.scale, 200, 10_000, 200_000),
		Running: pick(b.scale, 10, 200, 2000), Logged: pick(b.scale, 100, 10_000, 100_000), Days: 10}
	if err := history.Fill(ctx, d.pool, sizes); err != nil {
		return nil, err
	}
	pages, err := history.Serve(ctx, d.worker)
	if err != nil {
		return nil, err
	}
	defer pages.Close()
	var longest, dearest float64
	for _, q := range history.Questions {
		var p95 time.Duration
		t, err := d.measured(ctx, func() (times int, err error) {
			times = pick(b.scale, 2, 20, 20)
			p95, err = pages.Answers(ctx, q, times)
			return times, err
		})
		if err != nil {
			return nil, err
		}
		took, cost := p95.Seconds()*1000, t.each(t.servers+t.process)/1000
		longest, dearest = max(longest, took), max(dearest, cost)
		figures = append(figures, figure{q.Name + ".p95", "ms", took}, figure{q.Name + ".cpu", "ms", cost})
	}
	return append(figures, figure{"p95", "ms", longest}, figure{"cpu", "ms", dearest}), nil
}

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
