package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
	"sluice/internal/operate"
)

// enqueueDuplicates lets many clients enqueue under one unique key at once. The ledger judges their answers.
func (c *chaos) enqueueDuplicates(ctx context.Context, f plan.Fault) (aftermath, error) {
	const clients = 8
	at := c.cast.place(f.Choice)
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

// late is who enqueues what commits long after it was created.
const late = actor + ", late"

// holdSnapshot enqueues in a transaction that stays open while everything goes on: nothing that it can still see is cleaned up,
// and when it commits, what it has enqueued is older than all that was heard of meanwhile. It must run all the same; when
// it was rolled back it must not.
func (c *chaos) holdSnapshot(ctx context.Context, f plan.Fault) (aftermath, error) {
	commit := f.Choice&1 == 0
	ticket := c.ledger.Issue(c.cast.probe.workspace, c.cast.probe.definitions[nodeNoop], "")
	if !commit {
		c.ledger.RollBack(ticket)
	}
	tx, err := c.begin(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return aftermath{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	item := itemOf(ticket)
	item.EnqueuedBy = late
	answer, err := c.queue.EnqueueTx(ctx, tx, item)
	if err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	a := aftermath{target: "rolled back after " + f.For.Round(time.Millisecond).String(), since: time.Now()}
	if !commit {
		return a, nil
	}
	if err := tx.Commit(ctx); err != nil {
		return aftermath{}, fmt.Errorf("commit after %s: %w", f.For.Round(time.Millisecond), err) // a server was away meanwhile
	}
	c.ledger.Acknowledge(ticket, answer.QueueID)
	a.target, a.since = "committed after "+f.For.Round(time.Millisecond).String(), time.Now()
	a.missing = func(ctx context.Context) (string, error) { return c.notEnded(ctx, answer.QueueID) }
	return a, nil
}

// notEnded says which of some items have not ended, or nothing.
func (c *chaos) notEnded(ctx context.Context, ids ...uuid.UUID) (string, error) {
	var n int
	var first *uuid.UUID
	err := c.pool.QueryRow(ctx, `
		SELECT count(*), min(id::text)::uuid FROM unnest($1::uuid[]) AS id
		WHERE NOT EXISTS (SELECT FROM sluice.ended e WHERE e.id = id.id AND e.ended_at >= sluice.made_at(id.id))`, ids).Scan(&n, &first)
	if err == nil && n > 0 {
		return fmt.Sprintf("%d of %d items have not ended, the first is %s", n, len(ids), *first), nil
	}
	return "", err
}

// cancelMany cancels what a workspace has of a definition, waiting and running, while the load and claims go on. All of it ends, and
// nothing else is cancelled for this reason.
func (c *chaos) cancelMany(ctx context.Context, f plan.Fault) (aftermath, error) {
	at, reason := c.cast.place(f.Choice), fmt.Sprintf("chaos %d", f.Number)
	ids, err := c.enqueueAll(ctx, at, nodeNap, 20)
	if err != nil {
		return aftermath{}, err
	}
	limited, cancel := context.WithTimeout(ctx, 4*victimPatience)
	defer cancel()
	err = c.insist(limited, func(ctx context.Context) error {
		s, err := c.office.Select(ctx, admin.Cancel, admin.Filter{WorkspaceID: at.workspace, DefinitionID: at.definitions[nodeNap]})
		if err != nil {
			return err
		}
		_, err = operate.EndSelected(ctx, c.pool, func(context.Context) (client.Client, error) { return c.client, nil }, s, actor, reason, nil)
		return err
	})
	if err != nil {
		c.violated(promiseAnswers, partPlace(at), "it was asked to cancel many items for %s: %v", 4*victimPatience, err)
		return aftermath{}, err
	}
	a := aftermath{target: fmt.Sprintf("%d items and more of workspace %s", len(ids), at.workspace), since: time.Now(), missing: func(ctx context.Context) (what string, err error) {
		var open int
		err = c.pool.QueryRow(ctx, `SELECT count(*) FROM (SELECT id FROM sluice.pending UNION ALL SELECT id FROM sluice.running) AS x WHERE id = ANY ($1)`, ids).Scan(&open)
		if open > 0 {
			what = fmt.Sprintf("%d of them have not ended", open)
		}
		return what, err
	}}
	var others int
	err = c.insist(ctx, func(ctx context.Context) error {
		return c.pool.QueryRow(ctx, `
			SELECT count(*) FROM sluice.ended WHERE status = 'CANCELLED' AND error ->> 'message' = $1
			   AND (workspace_id <> $2 OR workflow_definition_id IS DISTINCT FROM $3)`, reason, at.workspace, at.definitions[nodeNap]).Scan(&others)
	})
	if others > 0 {
		c.violated(promiseBulk, partPlace(at), "%d items were cancelled that are not of the selection", others)
	}
	return a, err
}

// replayMany replays executions that have FAILED, again and again as one does who got no answer: each has one new item, which ends.
func (c *chaos) replayMany(ctx context.Context, f plan.Fault) (aftermath, error) {
	ids, err := c.enqueueAll(ctx, c.cast.probe, nodeFail, 10)
	if err != nil {
		return aftermath{}, err
	}
	limited, cancel := context.WithTimeout(ctx, 8*victimPatience)
	defer cancel()
	var executed []uuid.UUID
	err = c.insist(limited, func(ctx context.Context) error {
		rows, err := c.pool.Query(ctx, `SELECT id FROM sluice.ended WHERE id = ANY ($1) AND reason IS NULL AND status IN ('FAILED', 'TIMED_OUT', 'TERMINATED')`, ids)
		if err != nil {
			return err
		}
		if executed, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err == nil && len(executed) < len(ids)/2 {
			err = errors.New("they have not failed yet")
		}
		return err
	})
	if err != nil {
		return aftermath{}, err
	}
	for range 2 {
		err := c.insist(limited, func(ctx context.Context) error {
			s, err := c.office.Select(ctx, admin.Replay, admin.Filter{IDs: executed})
			if err == nil {
				_, err = c.office.ReplaySelected(ctx, s, actor, fmt.Sprintf("chaos %d", f.Number), nil)
			}
			return err
		})
		if err != nil {
			c.violated(promiseAnswers, "replay", "it was asked to replay for %s: %v", 8*victimPatience, err)
			return aftermath{}, err
		}
	}
	return aftermath{target: fmt.Sprintf("%d executions", len(executed)), since: time.Now(), missing: func(ctx context.Context) (what string, err error) {
		var replays, ended int
		err = c.pool.QueryRow(ctx, `
			SELECT count(*), count(e.id) FROM sluice.replays r LEFT JOIN sluice.ended e ON e.id = r.queue_id WHERE r.replay_of = ANY ($1)`, executed).Scan(&replays, &ended)
		switch {
		case err == nil && replays != len(executed):
			what = fmt.Sprintf("%d executions have %d replays", len(executed), replays)
		case err == nil && ended < replays:
			what = fmt.Sprintf("%d of %d replays have not ended", replays-ended, replays)
		}
		return what, err
	}}, nil
}
