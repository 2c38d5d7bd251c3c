package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
	"sluice/internal/operate"
	"sluice/queue"
	"sluice/workflows"
)

// terminateDispatcher does what nobody should, and then what an operator would.
func (c *chaos) terminateDispatcher(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.take(ctx, partDispatcher)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	heal := c.weather.breaks(f.Number)
	defer heal()
	limited, cancel := context.WithTimeout(ctx, victimPatience)
	defer cancel()
	if err := c.insist(limited, func(ctx context.Context) error {
		return c.client.TerminateWorkflow(ctx, workflows.DispatcherID, "", actor)
	}); err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	err = c.insist(ctx, func(ctx context.Context) error {
		_, err := operate.Start(ctx, c.client, c.cluster.Namespace, workflows.State{})
		return err
	})
	return aftermath{target: partDispatcher, since: time.Now()}, err
}

// changeShards divides the workspaces among another number of dispatchers, or the same.
func (c *chaos) changeShards(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.take(ctx, partDispatcher)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	n := 1 + int(f.Choice%3)
	err = c.insist(ctx, func(ctx context.Context) error {
		_, err := operate.StartAll(ctx, c.client, c.cluster.Namespace, c.queue, operate.StartOptions{Shards: n, Actor: actor})
		return err
	})
	return aftermath{target: fmt.Sprintf("%d shards", n), since: time.Now()}, err
}

// pause pauses, waits and resumes. A message may be answered late when servers or workers are away; what counts is that
// it is.
func (c *chaos) pause(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.take(ctx, partDispatcher)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	heal := c.weather.breaks(f.Number)
	defer heal()
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	err = c.insist(limited, func(ctx context.Context) error {
		_, err := operate.Pause(ctx, c.client, c.queue, workflows.PauseRequest{Actor: actor, Reason: "chaos"})
		if errors.Is(err, operate.ErrRefused) { // an earlier attempt was applied, and its answer lost
			return nil
		}
		return err
	})
	if err == nil {
		_ = cluster.Sleep(ctx, f.For)
	}
	resumeErr := c.resume(ctx)
	return aftermath{target: partDispatcher, since: time.Now()}, errors.Join(err, resumeErr)
}

// resume makes sure that the dispatcher is not paused.
func (c *chaos) resume(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	err := c.insist(limited, func(ctx context.Context) error {
		_, err := operate.Resume(ctx, c.client, c.queue, workflows.ResumeRequest{Actor: actor})
		if errors.Is(err, operate.ErrRefused) { // it is not paused
			return nil
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		c.violated(promiseAnswers, partDispatcher, "it was asked to resume for %s: %v", 2*victimPatience, err)
	}
	return err
}

// cutTier takes the limit of a plan down to one or below its half.
func (c *chaos) cutTier(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.changeTier(ctx, f, func(full int) int { return max(1, full/2) })
}

// raiseTier takes the limit of a plan above what it was at first.
func (c *chaos) raiseTier(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.changeTier(ctx, f, func(full int) int { return full + 2 })
}

func (c *chaos) changeTier(ctx context.Context, f plan.Fault, change func(full int) int) (aftermath, error) {
	n := int(f.Choice % plans)
	limit := change(planLimit(n))
	err := c.insist(ctx, func(ctx context.Context) error {
		_, err := c.queue.SetTier(ctx, planName(n), queue.TierChange{MaxConcurrentWorkflows: &limit}, actor)
		return err
	})
	return aftermath{target: fmt.Sprintf("%s to %d", planName(n), limit), since: time.Now()}, err
}

// enqueueDuplicates lets many clients enqueue under one unique key at once. The ledger judges their answers.
func (c *chaos) enqueueDuplicates(ctx context.Context, f plan.Fault) (aftermath, error) {
	const clients = 8
	at := c.cast.places[f.Choice%uint64(len(c.cast.places))]
	ticket := c.ledger.Issue(at.workspace, at.definitions[nodeNoop], fmt.Sprintf("duplicate-%d", f.Number))
	item := itemOf(ticket)
	ways := []attempt{c.enqueueByGo(item), c.enqueueBySQL(item), c.enqueueInTx(item, true)}
	answered := make(chan bool, clients)
	for n := range clients {
		c.background.Go(func() {
			_, ok := c.untilAnswered(ctx, ticket, ways[n%len(ways)])
			answered <- ok
		})
	}
	for range clients {
		if !<-answered {
			return aftermath{}, errors.New("a client was refused")
		}
	}
	return aftermath{target: ticket.Key, since: time.Now()}, nil
}

// retryRefused lets an item end FAILED because of its definition, mends that, and retries the item.
func (c *chaos) retryRefused(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.places[f.Choice%uint64(len(c.cast.places))]
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	var definition queue.Definition
	if err := c.insist(limited, func(ctx context.Context) (err error) {
		definition, err = c.queue.ApplyDefinition(ctx, at.workspace,
			fmt.Appendf(nil, `{"name": "broken-%d", "nodes": [{"id": %q, "type": "noop"}]}`, f.Number, uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, f.Number))), actor)
		if err != nil {
			return err
		}
		return c.setVersion(ctx, definition.ID, 2)
	}); err != nil {
		return aftermath{}, err
	}
	ticket := c.ledger.Issue(at.workspace, definition.ID, fmt.Sprintf("refused-%d", f.Number))
	id, ok := c.untilAnswered(ctx, ticket, c.enqueueByGo(itemOf(ticket)))
	if !ok {
		return aftermath{}, errors.New("the item was refused at once")
	}
	err := c.insist(limited, func(ctx context.Context) error {
		if err := c.itemIs(ctx, id, "FAILED"); err != nil {
			return err
		}
		if err := c.setVersion(ctx, definition.ID, 1); err != nil {
			return err
		}
		_, err := c.queue.Retry(ctx, queue.RetryFilter{IDs: []uuid.UUID{id}}, actor)
		return err
	})
	if err != nil {
		// An answer that got lost leaves it retried: then there is nothing to do any more.
		if c.itemIs(ctx, id, "DISPATCHED") != nil {
			return aftermath{}, fmt.Errorf("item %s: %w", id, err)
		}
	}
	return aftermath{target: "item " + id.String(), since: time.Now(), missing: func(ctx context.Context) (string, error) {
		if err := c.itemIs(ctx, id, "DISPATCHED"); err != nil {
			return err.Error(), nil
		}
		return "", nil
	}}, nil
}

// setVersion makes version 2 of a definition, which is no graph, or 1, which is, the current one.
func (c *chaos) setVersion(ctx context.Context, definition uuid.UUID, version int) error {
	_, err := c.pool.Exec(ctx, `
		WITH broken AS (
			INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow)
			VALUES ($1, 2, '{"nodes": [{"id": "x"}]}') ON CONFLICT DO NOTHING
		)
		UPDATE sluice.workflow_definitions SET version_number = $2 WHERE id = $1`, definition, version)
	return err
}

func (c *chaos) itemIs(ctx context.Context, id uuid.UUID, want string) error {
	item, err := c.queue.Item(ctx, id)
	if err == nil && item.Status != want {
		err = fmt.Errorf("item %s is %s, not %s", id, item.Status, want)
	}
	return err
}
