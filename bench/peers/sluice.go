package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
	"sluice/schema"
	"sluice/workflows"
)

const (
	// callers is how many record outcomes at once. Each stands for an execution that ends.
	callers = 128
	// settleEvery is as in package activities: so many starts are settled as soon as they are there, and meanwhile all
	// others come.
	settleEvery = 32
	bulkItems   = 1000
	plan        = "PEERS"
)

// nothing is a definition that does nothing.
var nothing = fmt.Sprintf(`{"name": "nothing", "nodes": [{"id": "%s", "type": "noop"}]}`, uuid.NewSHA1(uuid.Nil, []byte("noop")))

// sluiceEngine is the admission engine alone: the steps of a dispatcher's cycle (capacity and policy, claim, settle) with
// the calls of package queue, a starter that runs the item on the spot instead of asking Temporal to, and callers that
// record the outcomes.
type sluiceEngine struct {
	work  *work
	batch int
	pool  *pgxpool.Pool
	queue *queue.Queue
	items map[uuid.UUID]int
}

func openSluice(batch int) opener {
	return func(ctx context.Context, url string, w *work) (contender, error) {
		if _, err := schema.Migrate(ctx, url); err != nil {
			return nil, err
		}
		pool, err := queue.DispatcherPool(ctx, url, connections)
		if err != nil {
			return nil, err
		}
		return &sluiceEngine{work: w, batch: batch, pool: pool, queue: queue.New(pool), items: make(map[uuid.UUID]int, w.items())}, nil
	}
}

func (s *sluiceEngine) enqueue(ctx context.Context) error {
	if _, err := s.queue.SetTier(ctx, plan, queue.TierChange{MaxConcurrentWorkflows: &s.work.limit}, "peers"); err != nil {
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
	for first := 0; first < s.work.items(); first += bulkItems {
		var items []queue.Item
		for n := first; n < min(first+bulkItems, s.work.items()); n++ {
			place := s.work.workspace(n)
			items = append(items, queue.Item{WorkspaceID: workspaces[place], DefinitionID: definitions[place]})
		}
		answers, err := s.queue.EnqueueMany(ctx, items)
		if err != nil {
			return err
		}
		for i, answer := range answers {
			s.items[answer.QueueID] = first + i
		}
	}
	return nil
}

// drain cycles until everything is claimed, while the callers record what was started.
func (s *sluiceEngine) drain(ctx context.Context) error {
	epoch, err := s.queue.OpenEpoch(ctx, 0, uuid.NewString())
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	started := make(chan uuid.UUID, s.work.items()) // the dispatcher never waits for room here
	group.Go(func() error {
		defer close(started)
		memory, fence := s.queue.Memory(), queue.Fence{Epoch: epoch}
		for claimed := 0; claimed < s.work.items(); {
			n, mark, err := s.cycle(ctx, memory, &fence, started)
			if err != nil {
				return err
			}
			if claimed += n; n == 0 { // all at their limit: until an outcome rings
				if _, err := s.queue.Spin(ctx, mark, time.Now().Add(patience)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	recorder := queue.NewRecorder(s.queue)
	for range callers {
		group.Go(func() error {
			for id := range started {
				s.work.run(s.items[id])
				recorded, err := recorder.Record(ctx, queue.Outcome{ExecutionID: id, RunID: "run", Status: workflows.StatusCompleted})
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

// cycle admits at most a batch and settles it. It returns how many, and the mark of what it has looked at.
func (s *sluiceEngine) cycle(ctx context.Context, memory *queue.Memory, fence *queue.Fence, started chan<- uuid.UUID) (n int, mark queue.Mark, err error) {
	decision, err := memory.Decide(ctx, *fence, s.batch)
	if err != nil {
		return 0, mark, err
	}
	if len(decision.Grants) == 0 {
		return 0, decision.Mark, nil
	}
	fence.Cycle++
	if _, err := memory.Claim(ctx, *fence, decision.Grants, decision.Lines...); err != nil {
		return 0, mark, err
	}
	_, claims, err := memory.BeginDispatch(ctx, *fence, workflows.MaxBatchSize)
	if err != nil {
		return 0, mark, err
	}
	settled := make([]queue.Started, len(claims))
	for i, claim := range claims {
		settled[i] = queue.Started{ExecutionID: claim.ExecutionID, RunID: "run"}
	}
	first := min(settleEvery, len(settled))
	for _, some := range [][]queue.Started{settled[:first], settled[first:]} {
		if len(some) == 0 {
			continue
		}
		if err := s.queue.Settle(ctx, some); err != nil {
			return 0, mark, err
		}
		for _, one := range some {
			started <- one.ExecutionID
		}
	}
	return len(claims), decision.Mark, nil
}

func (*sluiceEngine) records() records {
	return records{
		held: `SELECT workspace_id AS workspace, claimed_at AS began, completed_at AS ended FROM sluice.workflow_executions WHERE status = 'COMPLETED'`,
		open: `EXISTS (SELECT FROM sluice.slots)`,
	}
}

func (s *sluiceEngine) close(context.Context) error {
	s.pool.Close()
	return nil
}
