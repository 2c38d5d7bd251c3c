package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"sluice/admin"
	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/schema"
	"sluice/workflows"
)

const (
	// callers is how many record outcomes at once. Each stands for an execution that ends.
	callers   = 128
	bulkItems = 1000
	plan      = "PEERS"
)

// nothing is a definition that does nothing.
var nothing = fmt.Sprintf(`{"name": "nothing", "nodes": [{"id": "%s", "type": "noop"}]}`, uuid.NewSHA1(uuid.Nil, []byte("noop")))

// sluiceEngine is the admission engine alone: the steps of a dispatcher's cycle (plan, claim, hand over, settle) with the engine
// that the dispatcher has, a starter that runs the item on the spot instead of asking Temporal to, and callers that record the
// outcomes.
type sluiceEngine struct {
	work  *work
	batch int
	pool  *pgxpool.Pool
	items map[uuid.UUID]int
}

func openSluice(batch int) opener {
	return func(ctx context.Context, url string, w *work) (contender, error) {
		if _, err := schema.Migrate(ctx, url); err != nil {
			return nil, err
		}
		pool, err := store.Open(ctx, url, connections)
		if err != nil {
			return nil, err
		}
		return &sluiceEngine{work: w, batch: batch, pool: pool, items: make(map[uuid.UUID]int, w.items())}, nil
	}
}

func (s *sluiceEngine) enqueue(ctx context.Context) error {
	if _, err := admin.New(s.pool).SetTier(ctx, plan, admin.TierChange{MaxConcurrentWorkflows: &s.work.limit}, "peers"); err != nil {
		return err
	}
	var workspaces, definitions []uuid.UUID
	for range s.work.workspaces {
		workspaces = append(workspaces, uuid.New())
		definitions = append(definitions, uuid.New())
	}
	_, err := s.pool.Exec(ctx, `
		WITH pair AS (
			SELECT * FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS p (workspace_id, definition_id, place)
		), workspaces AS (
			INSERT INTO sluice.workspaces (id, name, plan) SELECT workspace_id, 'workspace ' || place, $3 FROM pair
		), definitions AS (
			INSERT INTO sluice.workflow_definitions (id, workspace_id, name) SELECT definition_id, workspace_id, 'nothing' FROM pair
		)
		INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT definition_id, 1, $4::jsonb FROM pair`,
		workspaces, definitions, plan, nothing)
	if err != nil {
		return fmt.Errorf("create workspaces: %w", err)
	}
	app := queue.New(s.pool)
	for first := 0; first < s.work.items(); first += bulkItems {
		var items []queue.Item
		for n := first; n < min(first+bulkItems, s.work.items()); n++ {
			place := s.work.workspace(n)
			items = append(items, queue.Item{WorkspaceID: workspaces[place], DefinitionID: definitions[place]})
		}
		answers, err := app.EnqueueMany(ctx, items)
		if err != nil {
			return err
		}
		for i, answer := range answers {
			s.items[answer.QueueID] = first + i
		}
	}
	return nil
}

// drain cycles until everything is claimed. What is started is settled beside the next cycle, and the callers record that it has
// ended.
func (s *sluiceEngine) drain(ctx context.Context) error {
	run, err := store.TakeOver(ctx, s.pool, 0, uuid.NewString(), 0)
	if err != nil {
		return err
	}
	engines := dispatch.New(s.pool)
	group, ctx := errgroup.WithContext(ctx)
	claimed := make(chan []dispatch.Execution, s.work.items()) // nothing waits for room here
	started := make(chan uuid.UUID, s.work.items())
	group.Go(func() error {
		defer close(claimed)
		engine := engines.Of(0)
		for n := 0; n < s.work.items(); {
			executions, err := s.cycle(ctx, engine, run)
			if err != nil {
				return err
			}
			if n += len(executions); len(executions) > 0 {
				claimed <- executions
			} else if _, err := engine.Watch(ctx, time.Now().Add(patience)); err != nil { // all are at their limit
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		defer close(started)
		for executions := range claimed {
			settled := make([]store.Started, len(executions))
			for i, x := range executions {
				settled[i] = store.Started{ExecutionID: x.ID, RunID: "run"}
			}
			if err := store.Settle(ctx, s.pool, settled); err != nil {
				return err
			}
			for _, x := range executions {
				started <- x.ID
			}
		}
		return nil
	})
	recorder := store.NewRecorder(s.pool, engines.Freed)
	for range callers {
		group.Go(func() error {
			for id := range started {
				s.work.run(s.items[id])
				recorded, err := recorder.Record(ctx, store.Outcome{ExecutionID: id, RunID: "run", Status: workflows.StatusCompleted})
				if err != nil {
					return err
				}
				if !recorded {
					return fmt.Errorf("execution %s had ended before", id)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// cycle admits at most a batch.
func (s *sluiceEngine) cycle(ctx context.Context, engine *dispatch.Engine, run int64) ([]dispatch.Execution, error) {
	outlook, err := engine.Plan(ctx, run, s.batch)
	if err != nil {
		return nil, err
	}
	if outlook.Items > 0 {
		if _, err := engine.Claim(ctx, run); err != nil {
			return nil, err
		}
	}
	return engine.Begin(ctx, run, workflows.MaxBatchSize)
}

func (*sluiceEngine) records() records {
	return records{
		held: `SELECT workspace_id AS workspace, claimed_at AS began, ended_at AS ended FROM sluice.ended WHERE status = 'COMPLETED'`,
		open: `EXISTS (SELECT FROM sluice.running)`,
	}
}

func (s *sluiceEngine) close(context.Context) error {
	s.pool.Close()
	return nil
}
