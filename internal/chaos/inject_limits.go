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
	release, err := c.claims.Take(ctx, partPlan(n))
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

// restriction is of a workspace, a plan or all workspaces together.
func (c *chaos) restriction(f plan.Fault) restriction {
	at := c.cast.place(f.Choice / 3)
	switch f.Choice % 3 {
	case 0:
		return restriction{part: partPlace(at), scope: []place{at},
			cut:  func(ctx context.Context) error { return c.setWorkspace(ctx, at, new(0)) },
			undo: func(ctx context.Context) error { return c.setWorkspace(ctx, at, nil) }}
	case 1:
		var scope []place
		for _, p := range c.cast.places {
			if p.plan == at.plan {
				scope = append(scope, p)
			}
		}
		return restriction{part: partPlan(at.plan), scope: scope,
			cut:  func(ctx context.Context) error { return c.setTier(ctx, at.plan, 0) },
			undo: func(ctx context.Context) error { return c.setTier(ctx, at.plan, planLimit(at.plan)) }}
	default:
		return restriction{part: partGlobal,
			cut:  func(ctx context.Context) error { return c.setGlobal(ctx, new(0)) },
			undo: func(ctx context.Context) error { return c.setGlobal(ctx, nil) }}
	}
}

// cutToNothing cuts a limit to zero while claims of it are under way. From the commit of the cut on there must be none, which
// is judged here, by the database's clock and without any slack.
func (c *chaos) cutToNothing(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.restrict(ctx, f, c.restriction(f))
}

// limitForATime cuts the limit of a workspace to nothing for the fault's length, and does not take it back: it falls back by itself, to the
// moment by the database's clock. What waited is claimed after.
func (c *chaos) limitForATime(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.place(f.Choice)
	var until time.Time
	a, err := c.restrict(ctx, f, restriction{part: partPlace(at), scope: []place{at}, until: &until, cut: func(ctx context.Context) error {
		return c.insist(ctx, func(ctx context.Context) error {
			set, err := c.office.SetWorkspaceFor(ctx, at.workspace, admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{To: new(0)}},
				admin.Term{For: f.For}, actor, "chaos")
			for _, t := range set.Temporary {
				until = t.Until
			}
			return err
		})
	}})
	a.missing = func(ctx context.Context) (string, error) { return c.notFallen(ctx, at, until) }
	return a, err
}

// notFallen says that something of a workspace waits and nothing of it has been claimed since a moment, or nothing.
func (c *chaos) notFallen(ctx context.Context, at place, since time.Time) (what string, err error) {
	var stuck bool
	err = c.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM sluice.pending WHERE workspace_id = $1 AND available_at < now())
		   AND NOT EXISTS (SELECT FROM sluice.running WHERE workspace_id = $1 AND claimed_at >= $2)
		   AND NOT EXISTS (SELECT FROM sluice.ended WHERE workspace_id = $1 AND claimed_at >= $2 AND ended_at >= $2)`, at.workspace, since).Scan(&stuck)
	if stuck {
		what = "what waits has not been claimed since its limit should have fallen back"
	}
	return what, err
}

// stormPause is between two changes of the same thing: the storm takes some hundred turns a second.
const stormPause = 5 * time.Millisecond

// stormLimits changes limits, weights and definitions without a pause, each of which makes claims under way come to nothing. It
// measures from the beginning: work goes on in a storm.
func (c *chaos) stormLimits(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.place(f.Choice)
	release, err := c.claims.Take(ctx, partPlace(at))
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
		release, err := c.claims.Take(ctx, part)
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
