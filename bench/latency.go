package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/internal/operate"
	"sluice/workflows"
)

const aboutLatency = `One execution at a time in a system that does nothing else: from just before the enqueue until a
worker begins its first workflow task. In turn with plain starts of the same workflow on the same task queues, one
in the middle between two enqueues: from just before the start, which is not an eager one, until the same. Spin: one enqueue every 300
ms, so that the dispatcher waits inside its workflow task. Park: one every 5 s, so that it waits in AwaitWork (checked
before each). After some of the plain starts the dispatcher gets an update and a query; the longest answer counts.`

// tempo is how often something is enqueued.
type tempo struct {
	name  string
	every time.Duration
	asks  int  // it is asked after every so many
	cold  bool // the dispatcher must be parked before each enqueue
}

var (
	spin = tempo{name: "spin", every: 300 * time.Millisecond, asks: 10}
	park = tempo{name: "park", every: 5 * time.Second, asks: 3, cold: true}
)

func latency(ctx context.Context, b *bench) (_ []figure, err error) {
	s, err := b.newStack(ctx, 5, 100, workflows.Tunables{})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	var figures []figure
	var slowest time.Duration
	for _, one := range []struct {
		tempo
		times int
	}{{spin, pick(b.scale, 5, 20, 200)}, {park, pick(b.scale, 1, 4, 60)}} {
		enqueued, started, answer, err := s.inTurn(ctx, one.tempo, one.times)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
		found, err := s.latencies(ctx, one.name+".", enqueued, started)
		if err != nil {
			return nil, err
		}
		figures = append(figures, found...)
		slowest = max(slowest, answer)
	}
	return append(figures, figure{"answer", "s", slowest.Seconds()}), nil
}

// latencies compares enqueued executions with plain starts, and tells how long it took of that until they were claimed
// and until their start was on record.
func (s *stack) latencies(ctx context.Context, prefix string, enqueued, started []asked) ([]figure, error) {
	sample, err := s.toFirstTasks(ctx, enqueued)
	if err != nil {
		return nil, err
	}
	floor, err := s.toFirstTasks(ctx, started)
	if err != nil {
		return nil, err
	}
	var toClaim, toStart []time.Duration
	for _, a := range enqueued {
		id, _ := workflows.ParseExecutionID(a.workflowID)
		var claimed, dispatched time.Time
		err := s.pool.QueryRow(ctx, `SELECT claimed_at, dispatched_at FROM sluice.workflow_executions WHERE id = $1`, id).Scan(&claimed, &dispatched)
		if err != nil {
			return nil, fmt.Errorf("look at execution %s: %w", id, err)
		}
		toClaim, toStart = append(toClaim, claimed.Sub(a.at)), append(toStart, dispatched.Sub(a.at))
	}
	return append(quantiles(prefix, sample, floor),
		figure{prefix + "claimed.ms", "ms", milliseconds(quantile(toClaim, 0.5))},
		figure{prefix + "started.ms", "ms", milliseconds(quantile(toStart, 0.5))}), nil
}

// inTurn enqueues and starts plainly in turn until all has ended, and returns both and the slowest answer meanwhile.
func (s *stack) inTurn(ctx context.Context, t tempo, times int) (enqueued, started []asked, slowest time.Duration, err error) {
	var asking errgroup.Group
	asking.SetLimit(1)
	tick := time.NewTicker(t.every / 2)
	defer tick.Stop()
	for n := range times {
		<-tick.C
		if t.cold {
			if err := s.awaitParked(ctx); err != nil {
				return nil, nil, 0, err
			}
		}
		began := time.Now()
		answer, err := s.app.Enqueue(ctx, s.item(n))
		if err != nil {
			return nil, nil, 0, err
		}
		enqueued = append(enqueued, asked{workflows.ExecutionID(answer.QueueID), began})

		<-tick.C
		plain, err := s.plainly(ctx, n)
		if err != nil {
			return nil, nil, 0, err
		}
		started = append(started, plain)
		if n%t.asks == 0 {
			asking.TryGo(func() error {
				took, err := s.ask(ctx)
				slowest = max(slowest, took)
				return err
			})
		}
	}
	if err := asking.Wait(); err != nil {
		return nil, nil, 0, err
	}
	return enqueued, started, slowest, s.awaitEnded(ctx)
}

// ask sends an update that changes nothing and a query, and returns what the slower one took.
func (s *stack) ask(ctx context.Context) (slower time.Duration, err error) {
	batch := workflows.DefaultBatchSize
	for _, message := range []func() error{
		func() error {
			_, err := operate.Configure(ctx, s.client, s.dispatcher, workflows.ConfigureRequest{Actor: "bench", BatchSize: &batch})
			return err
		},
		func() error { _, err := operate.Status(ctx, s.client); return err },
	} {
		began := time.Now()
		if err := message(); err != nil {
			return 0, err
		}
		slower = max(slower, time.Since(began))
	}
	return slower, nil
}
