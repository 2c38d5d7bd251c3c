package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/estimate/keep"
	"sluice/internal/store/estimates"
	"sluice/queue"
	"sluice/workflows"
)

const aboutEstimates = `Whether items start in the intervals that are given for them, on the whole way. Eight workspaces with a limit of three
run executions of four seconds on average, exponentially distributed; half of them get their items at once, and half as many as they can run,
one after the other. Every two seconds intervals are asked for, and for up to five pending items of each workspace at random one is noted. An
interval holds if the item's slot was taken within it. Held is the share that did; off is how far that is from nine in ten. The width is the
median, also of the time from the question to the middle of the interval.`

// intervals are those given so far.
type intervals struct {
	*stack
	rnd   *rand.Rand
	given []interval
	none  int // pending items for which there was none
}

type interval struct {
	item              uuid.UUID
	at, after, before time.Time
}

const (
	estimatesLimit = 3
	estimatesMean  = 4 * time.Second
	estimatesEvery = 2 * time.Second
)

func estimateStarts(ctx context.Context, b *bench) (_ []figure, err error) {
	s, err := b.newStack(ctx, 8, estimatesLimit, workflows.Tunables{})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	// What has warmed it up did nothing, and says nothing of what comes.
	if _, err := s.pool.Exec(ctx, `DELETE FROM sluice.ended`); err != nil {
		return nil, fmt.Errorf("forget what has run: %w", err)
	}
	n := &intervals{stack: s, rnd: rand.New(rand.NewPCG(7, 7))}
	kinds, err := n.delays(ctx)
	if err != nil {
		return nil, err
	}
	each := pick(b.scale, 12, 40, 200)
	var later [][]queue.Item // by turn
	for place, workspace := range s.workspaces {
		items := make([]queue.Item, each)
		for i := range items {
			items[i] = queue.Item{WorkspaceID: workspace, DefinitionID: kinds[place][n.rnd.IntN(len(kinds[place]))]}
		}
		if place%2 == 0 {
			if _, err := s.app.EnqueueMany(ctx, items); err != nil {
				return nil, err
			}
			continue
		}
		at, turn := 0.0, estimatesEvery.Seconds()
		for _, item := range items {
			at += n.rnd.ExpFloat64() * estimatesMean.Seconds() / estimatesLimit
			for len(later) <= int(at/turn) {
				later = append(later, nil)
			}
			later[int(at/turn)] = append(later[int(at/turn)], item)
		}
	}
	tick := time.NewTicker(estimatesEvery)
	defer tick.Stop()
	for open := 1; open > 0 || len(later) > 0; {
		if len(later) > 0 {
			if len(later[0]) > 0 {
				if _, err := s.app.EnqueueMany(ctx, later[0]); err != nil {
					return nil, err
				}
			}
			later = later[1:]
		}
		if err := n.ask(ctx); err != nil {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if open, err = one[int](ctx, s.database, `SELECT count(*) FROM sluice.pending`); err != nil {
			return nil, err
		}
	}
	return n.judge(ctx)
}

// delays makes definitions that take so long that a random one is exponentially distributed, for each workspace.
func (n *intervals) delays(ctx context.Context) (kinds [][]uuid.UUID, err error) {
	const steps = 40
	for _, workspace := range n.workspaces {
		ids := make([]uuid.UUID, steps)
		for k := range ids {
			ids[k] = uuid.New()
			runs := time.Duration(-math.Log(1-(float64(k)+0.5)/steps) * float64(estimatesMean)).Round(time.Millisecond)
			workflow := fmt.Sprintf(`{"name": "delay %d", "nodes": [{"id": "%s", "type": "delay", "config": {"duration": "%s"}}]}`, k, uuid.New(), runs)
			_, err := n.pool.Exec(ctx, `
				WITH definition AS (INSERT INTO sluice.workflow_definitions (id, workspace_id, name) VALUES ($1, $2, 'delay ' || $3::int))
				INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 1, $4::jsonb)`, ids[k], workspace, k, workflow)
			if err != nil {
				return nil, fmt.Errorf("create definitions that delay: %w", err)
			}
		}
		kinds = append(kinds, ids)
	}
	return kinds, nil
}

// ask notes the intervals of some of the items that wait.
func (n *intervals) ask(ctx context.Context) error {
	if err := keep.Now(ctx, n.pool); err != nil {
		return err
	}
	var ids []uuid.UUID
	for _, workspace := range n.workspaces {
		var waiting []uuid.UUID
		if err := n.pool.QueryRow(ctx, `SELECT coalesce(array_agg(p.id), '{}') FROM sluice.pending p WHERE p.workspace_id = $1`, workspace).Scan(&waiting); err != nil {
			return fmt.Errorf("look at what waits: %w", err)
		}
		n.rnd.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
		ids = append(ids, waiting[:min(5, len(waiting))]...)
	}
	var now time.Time
	if err := n.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return fmt.Errorf("look at the clock: %w", err)
	}
	starts, err := estimates.Starts(ctx, n.pool, ids)
	for id, s := range starts {
		if s.After == nil || s.Before == nil {
			n.none++
			continue
		}
		n.given = append(n.given, interval{id, now, *s.After, *s.Before})
	}
	return err
}

// judge compares the intervals with when the items took their slots.
func (n *intervals) judge(ctx context.Context) ([]figure, error) {
	if err := n.awaitEnded(ctx); err != nil {
		return nil, err
	}
	claimed := map[uuid.UUID]time.Time{}
	rows, err := n.pool.Query(ctx, `SELECT e.id, e.claimed_at FROM sluice.ended e WHERE e.claimed_at IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("look at the claims: %w", err)
	}
	for rows.Next() {
		var id uuid.UUID
		var at time.Time
		if err := rows.Scan(&id, &at); err != nil {
			return nil, fmt.Errorf("look at the claims: %w", err)
		}
		claimed[id] = at
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look at the claims: %w", err)
	}
	held, early := 0, 0
	var widths, relative []float64
	for _, g := range n.given {
		at, known := claimed[g.item]
		switch {
		case !known:
			return nil, fmt.Errorf("item %s was given an interval and never started", g.item)
		case at.Before(g.after):
			early++
		case !at.After(g.before):
			held++
		}
		width := g.before.Sub(g.after)
		widths = append(widths, width.Seconds())
		relative = append(relative, width.Seconds()/max(g.after.Add(width/2).Sub(g.at).Seconds(), 0.1))
	}
	if len(n.given) == 0 {
		return nil, fmt.Errorf("no interval was given for any of %d items", n.none)
	}
	slices.Sort(widths)
	slices.Sort(relative)
	all := float64(len(n.given))
	share := float64(held) / all
	return []figure{
		{"held", "", share}, {"off", "", math.Abs(share - 0.9)}, {"early", "", float64(early) / all}, {"intervals", "", all}, {"none", "", float64(n.none)},
		{"width", "s", widths[len(widths)/2]}, {"relative", "times", relative[len(relative)/2]},
	}, nil
}
