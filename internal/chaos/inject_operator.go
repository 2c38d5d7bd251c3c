package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
	"sluice/internal/operate"
	"sluice/workflows"
)

// terminateDispatcher terminates that of a shard, which no operator should, and then does what one would.
func (c *chaos) terminateDispatcher(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.Take(ctx, partDispatcher)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	heal := c.weather.Breaks(f.Number)
	defer heal()
	limited, cancel := context.WithTimeout(ctx, victimPatience)
	defer cancel()
	var id string
	if err := c.insist(limited, func(ctx context.Context) error {
		shard, err := c.shard(ctx, f)
		if err != nil {
			return err
		}
		id = workflows.ShardID(shard)
		return c.client.TerminateWorkflow(ctx, id, "", actor)
	}); err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	return aftermath{target: id, since: time.Now()}, c.startDispatchers(ctx, 0)
}

// startDispatchers starts those that are missing, of so many shards from now on, or of as many as there are.
func (c *chaos) startDispatchers(ctx context.Context, shards int) error {
	return c.insist(ctx, func(ctx context.Context) error {
		_, err := operate.StartAll(ctx, c.client, c.cluster.Namespace, c.pool, operate.StartOptions{Shards: shards, Actor: actor})
		return err
	})
}

// changeShards divides the workspaces among another number of dispatchers, or the same.
func (c *chaos) changeShards(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.Take(ctx, partDispatcher)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	n := 1 + int(f.Choice%3)
	err = c.startDispatchers(ctx, n)
	return aftermath{target: fmt.Sprintf("%d shards", n), since: time.Now()}, err
}

// pause pauses, waits and resumes. A message may be answered late when servers or workers are away; what counts is that
// it is.
func (c *chaos) pause(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.Take(ctx, partDispatcher)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	heal := c.weather.Breaks(f.Number)
	defer heal()
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	err = c.insist(limited, func(ctx context.Context) error {
		_, err := operate.Pause(ctx, c.client, c.pool, workflows.PauseRequest{Actor: actor, Reason: "chaos"})
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
		_, err := operate.Resume(ctx, c.client, c.pool, workflows.ResumeRequest{Actor: actor})
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

// retryRefused lets an item end FAILED because of its definition, mends that, and retries the item.
func (c *chaos) retryRefused(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.place(f.Choice)
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	definition, err := c.brokenDefinition(limited, at, f)
	if err != nil {
		return aftermath{}, err
	}
	ticket := c.ledger.Issue(at.workspace, definition.ID, fmt.Sprintf("refused-%d", f.Number))
	id, ok := c.untilAnswered(ctx, ticket, c.enqueueByGo(itemOf(ticket)))
	if !ok {
		return aftermath{}, errors.New("the item was refused at once")
	}
	err = c.insist(limited, func(ctx context.Context) error {
		if err := c.itemIs(ctx, id, "FAILED"); err != nil {
			return err
		}
		if err := c.setVersion(ctx, definition.ID, 1); err != nil {
			return err
		}
		_, err := c.office.Retry(ctx, admin.RetryFilter{IDs: []uuid.UUID{id}}, actor)
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

// brokenDefinition is one of a fault's own, whose items fail to start.
func (c *chaos) brokenDefinition(ctx context.Context, at place, f plan.Fault) (definition admin.Definition, err error) {
	err = c.insist(ctx, func(ctx context.Context) (err error) {
		definition, err = c.office.ApplyDefinition(ctx, at.workspace,
			fmt.Appendf(nil, `{"name": "broken-%d", "nodes": [{"id": %q, "type": "noop"}]}`, f.Number, uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, f.Number))), actor)
		if err != nil {
			return err
		}
		return c.setVersion(ctx, definition.ID, 2)
	})
	return definition, err
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
	item, err := c.queue.Get(ctx, id)
	if err == nil && item.Status != want {
		err = fmt.Errorf("item %s is %s, not %s", id, item.Status, want)
	}
	return err
}
