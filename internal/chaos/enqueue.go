package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/ledger"
	"sluice/internal/store"
	"sluice/queue"
)

const (
	clientTimeout = 5 * time.Second
	clientPause   = 200 * time.Millisecond
)

// itemOf is the item of a ticket, whose number travels in the input.
func itemOf(t ledger.Ticket) queue.Item {
	if name, ok := ownOf(t); ok {
		return ownItem(t, name)
	}
	return queue.Item{WorkspaceID: t.Workspace, DefinitionID: t.Definition, UniqueKey: t.Key, EnqueuedBy: actor,
		Input: fmt.Appendf(nil, `{"ticket": %d}`, t.Number)}
}

// attempt is one call of a client.
type attempt func(ctx context.Context) (uuid.UUID, error)

func (c *chaos) enqueueByGo(item queue.Item) attempt {
	return func(ctx context.Context) (uuid.UUID, error) {
		answer, err := c.queue.Enqueue(ctx, item)
		return answer.QueueID, err
	}
}

// enqueueBySQL is what a client in another language does.
func (c *chaos) enqueueBySQL(item queue.Item) attempt {
	return func(ctx context.Context) (uuid.UUID, error) {
		var raw []byte
		var answer queue.Answer
		var available *time.Time
		if !item.AvailableAt.IsZero() {
			available = &item.AvailableAt
		}
		var err error
		if item.Workflow != nil {
			raw, err = c.enqueueOwnBySQL(ctx, item, item.Workflow.Request, available)
		} else {
			err = c.pool.QueryRow(ctx, `
			SELECT sluice.enqueue(workspace_id => $1, definition_id => $2, input => $3::jsonb, available_at => $4, unique_key => nullif($5, ''), enqueued_by => $6)`,
				item.WorkspaceID, item.DefinitionID, string(item.Input), available, item.UniqueKey, item.EnqueuedBy).Scan(&raw)
		}
		if err != nil {
			return uuid.Nil, err
		}
		err = json.Unmarshal(raw, &answer)
		return answer.QueueID, err
	}
}

// enqueueInTx enqueues in a transaction of the client's own, which is committed or rolled back.
func (c *chaos) enqueueInTx(item queue.Item, commit bool) attempt {
	return func(ctx context.Context) (uuid.UUID, error) {
		tx, err := c.pool.Begin(ctx)
		if err != nil {
			return uuid.Nil, err
		}
		defer func() { _ = tx.Rollback(ctx) }()
		answer, err := c.queue.EnqueueTx(ctx, tx, item)
		if err != nil || !commit {
			return uuid.Nil, err
		}
		return answer.QueueID, tx.Commit(ctx)
	}
}

// once is a client that does not ask again: what it got no answer for may or may not be there.
func (c *chaos) once(ctx context.Context, t ledger.Ticket, call attempt) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	if id, err := call(ctx); err == nil {
		c.ledger.Acknowledge(t, id)
	}
}

// untilAnswered is a client that asks again with the same unique key, until it has an answer or its request is refused.
func (c *chaos) untilAnswered(ctx context.Context, t ledger.Ticket, call attempt) (uuid.UUID, bool) {
	for {
		limited, cancel := context.WithTimeout(ctx, clientTimeout)
		id, err := call(limited)
		cancel()
		if err == nil {
			c.ledger.Acknowledge(t, id)
			return id, true
		}
		var refused *store.RequestError
		if errors.As(err, &refused) || cluster.Sleep(ctx, clientPause) != nil {
			return uuid.Nil, false
		}
	}
}

// impatient is a client that gives each of several calls at once too little time at first, then asks again.
func (c *chaos) impatient(ctx context.Context, t ledger.Ticket, patience time.Duration, calls ...attempt) {
	for n, call := range calls {
		c.background.Go(func() {
			limited, cancel := context.WithTimeout(ctx, patience*time.Duration(n+1))
			id, err := call(limited)
			cancel()
			if err == nil {
				c.ledger.Acknowledge(t, id)
				return
			}
			c.untilAnswered(ctx, t, call)
		})
	}
}

// many enqueues all the tickets' items at once, or none.
func (c *chaos) many(ctx context.Context, tickets []ledger.Ticket) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	items := make([]queue.Item, len(tickets))
	for i, t := range tickets {
		items[i] = itemOf(t)
	}
	answers, err := c.queue.EnqueueMany(ctx, items)
	if err != nil {
		return
	}
	for i, a := range answers {
		c.ledger.Acknowledge(tickets[i], a.QueueID)
	}
}

// enqueueAll enqueues so many of a workspace's definition at once, until there is an answer.
func (c *chaos) enqueueAll(ctx context.Context, at place, definition string, n int) (ids []uuid.UUID, err error) {
	for range n {
		ticket := c.ledger.Issue(at.workspace, at.definitions[definition], uuid.NewString())
		id, ok := c.untilAnswered(ctx, ticket, c.enqueueByGo(itemOf(ticket)))
		if !ok {
			return ids, errors.New("an item was refused")
		}
		ids = append(ids, id)
	}
	return ids, nil
}
