package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/internal/operate"
	"sluice/workflows"
)

const aboutLatency = `One execution at a time in a system that does nothing else, asked for by another process than the worker's: by the SQL
function, by a plain start of the same workflow on the same task queue, by the Go client, by a plain start, and so on. From just before the enqueue
or the start until a worker begins the first workflow task. Flowing: one of these every 100 ms, so that the dispatcher waits inside its workflow task.
Cold: one every 1.5 s, and none before the dispatcher waits in AwaitWork. Now and then it gets an update and a
query; the longest answer counts.`

// tempo is how often an execution is asked for.
type tempo struct {
	name  string
	every time.Duration
	cold  bool // the dispatcher must wait in AwaitWork before each
}

var (
	flowing = tempo{name: "flowing", every: 100 * time.Millisecond}
	cold    = tempo{name: "cold", every: 1500 * time.Millisecond, cold: true}
)

// messagesEvery is after how many rounds the dispatcher gets messages.
const messagesEvery = 10

func latency(ctx context.Context, b *bench) (_ []figure, err error) {
	s, err := b.newStack(ctx, 5, 100, workflows.Tunables{})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	app, err := newOutside(ctx, s.servers.DatabaseURL, s.servers.TemporalAddress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, app.close()) }()
	var figures []figure
	var slowest time.Duration
	for _, one := range []struct {
		tempo
		rounds int
	}{{flowing, pick(b.scale, 5, 20, 300)}, {cold, pick(b.scale, 1, 4, 300)}} {
		ways, answer, err := s.askInTurn(ctx, app, one.tempo, one.rounds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
		floor, err := s.toFirstTasks(ctx, ways[byStart])
		if err != nil {
			return nil, err
		}
		for _, way := range []string{bySQL, byGo} {
			took, err := s.toFirstTasks(ctx, ways[way])
			if err != nil {
				return nil, err
			}
			figures = append(figures, quantiles(one.name+"."+way+".", took, floor)...)
		}
		slowest = max(slowest, answer)
	}
	return append(figures, figure{"answer", "s", slowest.Seconds()}), nil
}

// askInTurn asks in all ways until all has ended, after a first round that does not count. It returns what was asked for in each way,
// and the slowest answer to a message meanwhile.
func (s *stack) askInTurn(ctx context.Context, app *outside, t tempo, rounds int) (ways map[string][]asked, slowest time.Duration, err error) {
	var messages errgroup.Group
	messages.SetLimit(1)
	ways = map[string][]asked{}
	for round := range rounds + 1 {
		place := round % len(s.workspaces)
		turns := []string{bySQL, byStart, byGo, byStart}
		for i := range turns {
			way := turns[(round+i)%len(turns)] // the first of a round finds a workspace that has rested
			if err := rest(ctx, t.every); err != nil {
				return nil, 0, err
			}
			if t.cold {
				if err := s.awaitWaiting(ctx); err != nil {
					return nil, 0, err
				}
			}
			a, err := app.ask(order{Way: way, Workspace: s.workspaces[place], Definition: s.definitions[place]})
			if err != nil {
				return nil, 0, err
			}
			if round > 0 {
				ways[way] = append(ways[way], a)
			}
		}
		if round%messagesEvery == messagesEvery/2 || round == rounds {
			messages.TryGo(func() error {
				took, err := s.message(ctx)
				slowest = max(slowest, took)
				return err
			})
		}
	}
	if err := messages.Wait(); err != nil {
		return nil, 0, err
	}
	return ways, slowest, s.awaitEnded(ctx)
}

// message sends an update that changes nothing and a query, and returns what the slower one took.
func (s *stack) message(ctx context.Context) (slower time.Duration, err error) {
	batch := workflows.DefaultBatchSize
	for _, send := range []func() error{
		func() error {
			_, err := operate.Configure(ctx, s.client, s.worker, workflows.ConfigureRequest{Actor: "bench", BatchSize: &batch})
			return err
		},
		func() error { _, err := operate.Status(ctx, s.client); return err },
	} {
		began := time.Now()
		if err := send(); err != nil {
			return 0, err
		}
		slower = max(slower, time.Since(began))
	}
	return slower, nil
}
