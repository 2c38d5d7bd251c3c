package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/plan"
)

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
	release, err := c.claims.take(ctx, partPlan(n))
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	limit := change(planLimit(n))
	err = c.setTier(ctx, n, limit)
	return aftermath{target: fmt.Sprintf("%s to %d", planName(n), limit), since: time.Now()}, err
}

func (c *chaos) setTier(ctx context.Context, n, limit int) error {
	return c.insist(ctx, func(ctx context.Context) error {
		_, err := c.office.SetTier(ctx, planName(n), admin.TierChange{MaxConcurrentWorkflows: &limit}, actor)
		return err
	})
}

// setWorkspace sets the limit of a workspace; nil leaves it to its plan.
func (c *chaos) setWorkspace(ctx context.Context, at place, limit *int) error {
	return c.insist(ctx, func(ctx context.Context) error {
		_, err := c.office.SetWorkspace(ctx, at.workspace, admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{To: limit}}, actor)
		return err
	})
}

// setGlobal sets the limit of all workspaces together; nil takes it away.
func (c *chaos) setGlobal(ctx context.Context, limit *int) error {
	return c.insist(ctx, func(ctx context.Context) error {
		_, err := c.office.Set(ctx, admin.SettingsChange{MaxConcurrentWorkflows: &admin.Change[int]{To: limit}}, actor)
		return err
	})
}

// restriction is a limit that can be cut: what the cut is about, which workspaces it holds for, nil for all of them, and how.
type restriction struct {
	part  string
	scope []place
	cut   func(ctx context.Context) error
	undo  func(ctx context.Context) error
}

// restriction is of a workspace, a plan or all workspaces together.
func (c *chaos) restriction(f plan.Fault) restriction {
	at := c.cast.place(f.Choice / 3)
	switch f.Choice % 3 {
	case 0:
		return restriction{partPlace(at), []place{at},
			func(ctx context.Context) error { return c.setWorkspace(ctx, at, new(0)) },
			func(ctx context.Context) error { return c.setWorkspace(ctx, at, nil) }}
	case 1:
		var scope []place
		for _, p := range c.cast.places {
			if p.plan == at.plan {
				scope = append(scope, p)
			}
		}
		return restriction{partPlan(at.plan), scope,
			func(ctx context.Context) error { return c.setTier(ctx, at.plan, 0) },
			func(ctx context.Context) error { return c.setTier(ctx, at.plan, planLimit(at.plan)) }}
	default:
		return restriction{partGlobal, nil,
			func(ctx context.Context) error { return c.setGlobal(ctx, new(0)) },
			func(ctx context.Context) error { return c.setGlobal(ctx, nil) }}
	}
}

// cutToNothing cuts a limit to zero while claims of it are under way. From the commit of the cut on there must be none, which
// is judged here, by the database's clock and without any slack.
func (c *chaos) cutToNothing(ctx context.Context, f plan.Fault) (aftermath, error) {
	r := c.restriction(f)
	release, err := c.claims.take(ctx, r.part)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	if r.scope == nil {
		heal := c.weather.Breaks(f.Number)
		defer heal()
	}
	busy := r.scope
	if busy == nil {
		busy = c.cast.places
	}
	var tickets []ledger.Ticket
	for _, at := range busy {
		for range 1 + 24/len(busy) {
			tickets = append(tickets, c.ledger.Issue(at.workspace, at.definitions[nodeNoop], ""))
		}
	}
	began, err := c.clock(ctx)
	if err != nil {
		return aftermath{}, err
	}
	c.many(ctx, tickets)
	c.awaitClaim(ctx, busy, began)
	if err := r.cut(ctx); err != nil {
		return aftermath{}, err
	}
	from, err := c.clock(ctx)
	if err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	to, err := c.clock(ctx)
	if err != nil {
		return aftermath{}, err
	}
	if err := r.undo(ctx); err != nil {
		return aftermath{}, err
	}
	a := aftermath{target: r.part, since: time.Now()}
	// What was claimed before the cut was undone has committed by now: the undoing has waited for it.
	return a, c.insist(ctx, func(ctx context.Context) error { return c.judgeCut(ctx, r, from, to) })
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

// stormPause is between two changes of the same thing: the storm takes some hundred turns a second.
const stormPause = 5 * time.Millisecond

// stormLimits changes limits, weights and definitions without a pause, each of which makes claims under way come to nothing. It
// measures from the beginning: work goes on in a storm.
func (c *chaos) stormLimits(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.place(f.Choice)
	release, err := c.claims.take(ctx, partPlace(at))
	if err != nil {
		return aftermath{}, err
	}
	full := planLimit(at.plan)
	storm, over := context.WithTimeout(ctx, f.For)
	var changes atomic.Int64
	var all sync.WaitGroup
	for _, change := range []func(n int) error{
		func(n int) error { // of one workspace
			_, err := c.office.SetWorkspace(storm, at.workspace, admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{To: new(1 + n%(full+2))}}, actor)
			return err
		},
		func(n int) error { // of a plan, in every shard
			_, err := c.office.SetTier(storm, planName(at.plan), admin.TierChange{Weight: new(1 + n%5)}, actor)
			return err
		},
		func(n int) error {
			_, err := c.office.ApplyDefinition(storm, at.workspace,
				fmt.Appendf(nil, `{"name": "storm", "nodes": [{"id": %q, "type": "noop"}]}`, uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n))), actor)
			return err
		},
	} {
		all.Go(func() {
			for n := 0; storm.Err() == nil; n++ {
				if change(n) == nil {
					changes.Add(1)
				}
				_ = cluster.Sleep(storm, stormPause)
			}
		})
	}
	c.background.Go(func() {
		defer release()
		defer over()
		all.Wait()
		_ = c.setWorkspace(ctx, at, nil)
		_ = c.insist(ctx, func(ctx context.Context) error {
			_, err := c.office.SetTier(ctx, planName(at.plan), admin.TierChange{Weight: new(1)}, actor)
			return err
		})
		c.say("#%d %s: %d changes in %s", f.Number, f.Kind, changes.Load(), f.For.Round(time.Millisecond))
	})
	return aftermath{target: "workspace " + at.workspace.String(), since: time.Now()}, nil
}

// limitAll sets a limit for all workspaces together, below what the load takes, with several shards; then it changes their number,
// cuts the limit to its half, and takes it away again. The audit judges the claims.
func (c *chaos) limitAll(ctx context.Context, f plan.Fault) (aftermath, error) {
	for _, part := range []string{partDispatcher, partGlobal} {
		release, err := c.claims.take(ctx, part)
		if err != nil {
			return aftermath{}, err
		}
		defer release()
	}
	heal := c.weather.Breaks(f.Number)
	defer heal()
	limit, shards := 8+int(f.Choice%8), 2+int(f.Choice>>3%2)
	for _, step := range []func() error{
		func() error { return c.startDispatchers(ctx, shards) },
		func() error { return c.setGlobal(ctx, &limit) },
		func() error { return cluster.Sleep(ctx, f.For/2) },
		func() error { return c.startDispatchers(ctx, 5-shards) },
		func() error { return c.setGlobal(ctx, new(limit/2)) },
		func() error { return cluster.Sleep(ctx, f.For/2) },
		func() error { return c.setGlobal(ctx, nil) },
	} {
		if err := step(); err != nil {
			return aftermath{}, err
		}
	}
	return aftermath{target: fmt.Sprintf("%d, then %d slots", limit, limit/2), since: time.Now()}, nil
}
