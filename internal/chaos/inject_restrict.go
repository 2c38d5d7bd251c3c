package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/plan"
)

// restriction is a limit that can be cut, or what can be paused: what it is about, which workspaces it holds for, nil for all of them, of
// which definition or workflow type alone, nil for all, and how. It is undone, or ends by itself at the time that cut has noted.
type restriction struct {
	part      string
	scope     []place
	only      uuid.UUID // of the definition, or what stands for a workflow type
	kind      string    // the workflow type
	cut       func(ctx context.Context) error
	meanwhile func(ctx context.Context) error // is done once it holds, if anything is
	undo      func(ctx context.Context) error
	until     *time.Time // nil: until it is undone
}

// restrict puts a restriction on while claims of what it is about are under way. It takes it away after the fault's length, or waits
// until it has ended by itself. Nothing may be claimed between, which is judged by the database's clock and without any slack.
func (c *chaos) restrict(ctx context.Context, f plan.Fault, r restriction) (aftermath, error) {
	release, err := c.claims.Take(ctx, r.part)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	if r.scope == nil {
		heal := c.weather.Breaks(f.Number)
		defer heal()
	}
	if err := c.keepBusy(ctx, r); err != nil {
		return aftermath{}, err
	}
	if err := r.cut(ctx); err != nil {
		return aftermath{}, err
	}
	from, err := c.clock(ctx)
	if err != nil {
		return aftermath{}, err
	}
	if r.meanwhile != nil {
		err = r.meanwhile(ctx)
	}
	to, lifting := c.lift(ctx, f, r)
	if err = errors.Join(err, lifting); err != nil {
		return aftermath{}, err
	}
	a, promise := aftermath{target: r.part, since: time.Now()}, promiseCuts
	if r.until != nil {
		a.target, promise = fmt.Sprintf("%s until %s", r.part, to.UTC().Format(time.TimeOnly)), promiseTerms
	}
	// What was claimed before the cut was undone has committed by now: the undoing has waited for it.
	return a, c.insist(ctx, func(ctx context.Context) error { return c.judgeCut(ctx, promise, r, from, to) })
}

// lift takes a restriction away, or waits until it has ended. It returns until when it has held for certain.
func (c *chaos) lift(ctx context.Context, f plan.Fault, r restriction) (to time.Time, err error) {
	if r.until != nil {
		return *r.until, c.awaitClock(ctx, *r.until)
	}
	_ = cluster.Sleep(ctx, f.For)
	if to, err = c.clock(ctx); err != nil {
		return to, err
	}
	return to, r.undo(ctx)
}

// awaitClock waits until it is so late by the database's clock.
func (c *chaos) awaitClock(ctx context.Context, until time.Time) error {
	for {
		now, err := c.clock(ctx)
		if err != nil || !now.Before(until) {
			return err
		}
		_ = cluster.Sleep(ctx, until.Sub(now))
	}
}

// keepBusy enqueues what a restriction is about, and waits until some of it has been claimed.
func (c *chaos) keepBusy(ctx context.Context, r restriction) error {
	busy := r.scope
	if busy == nil {
		busy = c.cast.places
	}
	var tickets []ledger.Ticket
	for _, at := range busy {
		definition := at.definitions[nodeNoop]
		if r.only != uuid.Nil {
			definition = r.only
		}
		for range 1 + 24/len(busy) {
			tickets = append(tickets, c.ledger.Issue(at.workspace, definition, ""))
		}
	}
	began, err := c.clock(ctx)
	if err != nil {
		return err
	}
	c.many(ctx, tickets)
	c.awaitClaim(ctx, busy, began)
	return nil
}

// clock is the database's.
func (c *chaos) clock(ctx context.Context) (at time.Time, err error) {
	err = c.insist(ctx, func(ctx context.Context) error {
		return c.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&at)
	})
	return at, err
}

func workspacesOf(places []place) (ids []uuid.UUID) {
	for _, p := range places {
		ids = append(ids, p.workspace)
	}
	return ids
}

// awaitClaim waits until something of these workspaces has been claimed since a moment, for some seconds at most.
func (c *chaos) awaitClaim(ctx context.Context, places []place, since time.Time) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for claimed := false; !claimed; {
		_ = c.pool.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM sluice.running WHERE workspace_id = ANY ($1) AND claimed_at > $2)
			    OR EXISTS (SELECT FROM sluice.ended WHERE workspace_id = ANY ($1) AND claimed_at > $2 AND ended_at > $2)`,
			workspacesOf(places), since).Scan(&claimed)
		if cluster.Sleep(ctx, 2*time.Millisecond) != nil {
			return
		}
	}
}

// judgeCut looks for claims between two moments, of some workspaces or of all. What recovery took out of what waits because
// its workflow ran was not claimed.
func (c *chaos) judgeCut(ctx context.Context, promise string, r restriction, from, to time.Time) error {
	rows, err := c.pool.Query(ctx, `
		SELECT x.id, x.claimed_at FROM (
			SELECT id, workspace_id, claimed_at, workflow_definition_id, workflow_type FROM sluice.running WHERE turn IS NOT NULL
			UNION ALL SELECT id, workspace_id, claimed_at, workflow_definition_id, workflow_type FROM sluice.ended WHERE ended_at > $1) AS x
		WHERE x.claimed_at > $1 AND x.claimed_at < $2 AND ($3::uuid[] IS NULL OR x.workspace_id = ANY ($3))
		  AND CASE WHEN $5 <> '' THEN x.workflow_type = $5 ELSE $4 = '00000000-0000-0000-0000-000000000000'::uuid OR x.workflow_definition_id = $4 END
		  AND NOT EXISTS (SELECT FROM sluice.activity_log l WHERE l.queue_id = x.id AND l.action = 'reopened' AND l.reason = 'started-late')`,
		from, to, workspacesOf(r.scope), r.only, r.kind)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var at time.Time
	var found []string
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		found = append(found, fmt.Sprintf("%s at %s", id, at.UTC().Format(time.RFC3339Nano)))
		return nil
	})
	if err == nil && len(found) > 0 {
		c.violated(promise, r.part, "was cut to nothing or paused from %s to %s, and there were claims: %v", from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano), found)
	}
	return err
}
