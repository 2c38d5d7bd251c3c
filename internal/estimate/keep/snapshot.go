package keep

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/estimate"
	"sluice/internal/store/estimates"
	"sluice/internal/store/facts"
)

const (
	// window is how far back it is looked for what has ended and arrived.
	window = 15 * time.Minute
	// mostEnded and mostItems bound what is read.
	mostEnded, mostItems = 20_000, 400_000
)

// places are those of lines that are read.
var places = estimate.LinePlaces(mostItems)

// read reads a snapshot, and the ids of its workspaces.
func read(ctx context.Context, pool *pgxpool.Pool) (s estimate.Snapshot, ids []uuid.UUID, err error) {
	var shards []facts.Capacity
	var r estimates.Record
	err = hurried(ctx, pool, func(tx pgx.Tx) error {
		if shards, err = facts.Capacities(ctx, tx, 0, uuid.Nil); err != nil { // of no workspace, only what they share
			return err
		}
		r, err = estimates.Read(ctx, tx, estimates.Bounds{Since: shards[0].Now.Add(-window), Ended: mostEnded, Items: mostItems, Places: places, Gaps: estimate.Gaps})
		return err
	})
	if err != nil {
		return s, nil, err
	}
	s, ids = assemble(shards, r)
	return s, ids, nil
}

// assemble puts together what the shards decide on as if they were one. Each has clocks of its own: here all stand at zero.
func assemble(shards []facts.Capacity, r estimates.Record) (s estimate.Snapshot, ids []uuid.UUID) {
	slices.SortFunc(r.Workspaces, func(a, b estimates.Workspace) int { return bytes.Compare(a.WorkspaceID[:], b.WorkspaceID[:]) })
	all := facts.Capacity{Now: shards[0].Now, Limit: shards[0].Limit, Used: shards[0].Used}
	clocks := map[string]facts.CohortCapacity{}
	for _, shard := range shards {
		for _, k := range shard.Cohorts {
			clocks[k.Cohort] = k
			k.Own, k.Borrowed, k.OwnClock, k.BorrowedClock = k.Own-shard.OwnClock, k.Borrowed-shard.BorrowedClock, 0, 0
			all.Cohorts = append(all.Cohorts, k)
		}
	}
	place := map[uuid.UUID]int{}
	s.Workspaces = make([]estimate.Workspace, len(r.Workspaces))
	for i, w := range r.Workspaces {
		place[w.WorkspaceID] = i
		ids = append(ids, w.WorkspaceID)
		own, borrowed := int64(0), int64(0)
		if w.Shard < len(shards) {
			own, borrowed = shards[w.Shard].OwnClock, shards[w.Shard].BorrowedClock
		}
		if w.Cohort != nil {
			own, borrowed = clocks[*w.Cohort].OwnClock, clocks[*w.Cohort].BorrowedClock
		}
		all.Workspaces = append(all.Workspaces, facts.WorkspaceCapacity{
			WorkspaceID: w.WorkspaceID, Cohort: w.Cohort, Limit: w.Ceiling, Nominal: w.Nominal, BorrowingLimit: w.BorrowingLimit, LendingLimit: w.LendingLimit,
			Weight: w.Weight, StartsPerSecond: w.StartsPerSecond, Burst: w.Burst, Paused: w.Paused, Own: w.Own - own, Borrowed: w.Borrowed - borrowed,
			Tokens: w.Tokens, TokensAt: w.TokensAt,
		})
	}
	ended := observe(&s, all.Now, all.Limit != nil, place, r)
	for _, a := range r.Arrived {
		if i, known := place[a.WorkspaceID]; known {
			s.Workspaces[i].Arrivals.Add(a.Priority, a.N, all.Now.Sub(a.First), all.Now.Sub(a.Last))
		}
	}
	for _, p := range r.Places {
		if i, known := place[p.WorkspaceID]; known {
			w := &s.Workspaces[i]
			w.Line, w.More = append(w.Line, estimate.Place{Number: p.Number, ID: p.ID, Due: p.Due.Sub(all.Now)}), p.More
			all.Workspaces[i].Ready = p.Number
		}
	}
	for i, w := range r.Workspaces {
		all.Workspaces[i].Used = len(s.Workspaces[i].Held)
		s.Workspaces[i].Expected = time.Duration(w.SlotTime * float64(time.Second))
		if s.Workspaces[i].Durations = ended[i]; !ended[i].Known() {
			s.Workspaces[i].Durations = estimate.Averaged(s.Workspaces[i].Expected)
		}
	}
	s.Input = all.Input(0)
	s.Input.CountsSlotTime, s.AgeingStep, s.Longest = r.SlotTime, r.AgeingStep, time.Duration(r.Longest*float64(time.Second))
	return s, ids
}

// observe takes in what holds slots and what has ended, and returns how long executions take, by workspace.
func observe(s *estimate.Snapshot, now time.Time, shared bool, place map[uuid.UUID]int, r estimates.Record) []estimate.Durations {
	within := window
	if n := len(r.Ended); n == mostEnded {
		within = now.Sub(r.Ended[n-1].EndedAt) // there are earlier ones
	}
	seconds := map[int64]int{}
	by, all := make([][]estimate.Execution, len(s.Workspaces)), []estimate.Execution{}
	var taken []estimate.Taken
	add := func(id uuid.UUID, available, claimed time.Time, ran time.Duration, ended bool) int {
		t := estimate.Taken{Workspace: -1, Available: now.Sub(available), Claimed: now.Sub(claimed), Freed: -1}
		if ended {
			t.Freed = max(0, t.Claimed-ran)
		}
		e := estimate.Execution{Began: max(0, now.Sub(claimed)), Ran: max(0, ran), Ended: ended}
		all = append(all, e)
		seconds[claimed.Unix()]++
		i, known := place[id]
		if known {
			t.Workspace = i
		}
		taken = append(taken, t)
		if !known {
			return -1
		}
		by[i] = append(by[i], e)
		return i
	}
	for _, e := range r.Ended {
		add(e.WorkspaceID, e.AvailableAt, e.ClaimedAt, e.EndedAt.Sub(e.ClaimedAt), true)
	}
	for _, h := range r.Held {
		age := max(0, now.Sub(h.ClaimedAt))
		if i := add(h.WorkspaceID, h.AvailableAt, h.ClaimedAt, age, false); i >= 0 {
			s.Workspaces[i].Held = append(s.Workspaces[i].Held, estimate.Slot{Age: age, Stuck: h.Stuck})
		}
	}
	for _, n := range seconds {
		s.PerSecond = max(s.PerSecond, float64(n))
	}
	durations := make([]estimate.Durations, len(by))
	for i := range by {
		durations[i] = estimate.Observed(within, by[i])
	}
	s.Fleet, s.Turnaround = estimate.Observed(within, all), estimate.Turnaround(shared, taken)
	return durations
}
