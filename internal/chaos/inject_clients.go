package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
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
