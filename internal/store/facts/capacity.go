package facts

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Capacity is what the policy of a shard decides on, at one moment.
type Capacity struct {
	Shard int
	// Now is the database's clock.
	Now time.Time
	// Limit is how many slots all workspaces of all shards together may hold; nil: not bounded. Used is counted only if
	// there is one.
	Limit         *int
	Used          int
	OwnClock      int64
	BorrowedClock int64
	// CountsSlotTime is set where fairness counts slot time. SlotTime is for how long executions have held their slots of late, and Longest
	// for how long the longest of them has, in seconds; 0: not known.
	CountsSlotTime bool
	SlotTime       float64
	Longest        float64
	Cohorts        []CohortCapacity    `db:"-"`
	Workspaces     []WorkspaceCapacity `db:"-"` // by id
}

// WorkspaceCapacity is what the policy needs to know of one workspace with a backlog.
type WorkspaceCapacity struct {
	Shard           int
	WorkspaceID     uuid.UUID
	Cohort          *string
	Limit           int // the most slots it may hold: its own limit, else that of its plan
	Nominal         int
	BorrowingLimit  *int // nil: up to Limit
	LendingLimit    *int // nil: all of Nominal
	Weight          int
	StartsPerSecond *float64 // nil: not bounded
	Burst           *int
	Used            int        // slots held
	Ready           int        // items that could start now, counted up to a number
	Paused          bool       // it may start none of these
	Since           *time.Time // when the first of them became available
	Own             int64      // where it stands in line, see admission.Tags
	Borrowed        int64
	Tokens          *float64
	TokensAt        *time.Time
	SlotTime        float64 // of its executions, as of all of them
}

// CohortCapacity is what all members of a cohort have together: Nominal is what they lend of their nominal quotas, and Used what
// they hold beyond what they reserve.
type CohortCapacity struct {
	Shard         int
	Cohort        string
	Nominal       int
	Used          int
	Weight        int
	Own           int64
	Borrowed      int64
	OwnClock      int64
	BorrowedClock int64
}

var (
	capacitySharedSQL     = load("capacity_shared")
	capacityCohortsSQL    = load("capacity_cohorts")
	capacityWorkspacesSQL = load("capacity_workspaces", "workspaces", "most")
	membersSQL            = load("members", "cohorts")
)

// Capacities reads usage, limits and backlog, for each shard: of these workspaces, or without any of all that have pending items.
// Each count of ready items stops at most. It costs per workspace with a backlog, per slot that is held, and per member of
// a cohort, and not per item.
func Capacities(ctx context.Context, db store.DB, most int, workspaces ...uuid.UUID) ([]Capacity, error) {
	b := &pgx.Batch{}
	capacities := queueCapacities(b, most, workspaces...)
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return nil, store.Wrap(err, "read capacity")
	}
	return capacities(), nil
}

// queueCapacities adds Capacities to a batch. What it returns has them when the batch has been sent.
func queueCapacities(b *pgx.Batch, most int, workspaces ...uuid.UUID) func() []Capacity {
	var shards []Capacity
	var cohorts []CohortCapacity
	var read []WorkspaceCapacity
	store.QueueCollect(b, &shards, capacitySharedSQL)
	store.QueueCollect(b, &cohorts, capacityCohortsSQL)
	store.QueueCollect(b, &read, capacityWorkspacesSQL, orAll(workspaces), most)
	return func() []Capacity { return together(shards, cohorts, read) }
}

func together(shards []Capacity, cohorts []CohortCapacity, read []WorkspaceCapacity) []Capacity {
	// One of a shard that the first statement did not see yet is left out, as its dispatcher has not begun.
	for _, k := range cohorts {
		if k.Shard < len(shards) {
			shards[k.Shard].Cohorts = append(shards[k.Shard].Cohorts, k)
		}
	}
	for _, w := range read {
		if w.Shard < len(shards) {
			shards[w.Shard].Workspaces = append(shards[w.Shard].Workspaces, w)
		}
	}
	return shards
}

// deciding reads what decides about some workspaces, or without any about all: their own capacity, with that of the members of their
// cohorts, or under a limit that all share that of everything. It returns whose that is, none for all.
func deciding(ctx context.Context, db store.DB, most int, workspaces ...uuid.UUID) ([]Capacity, []uuid.UUID, error) {
	capacities, err := Capacities(ctx, db, most, workspaces...)
	if err != nil || len(workspaces) == 0 {
		return capacities, nil, err
	}
	cohorts := map[string]bool{}
	for i := range capacities {
		if capacities[i].Limit != nil {
			capacities, err = Capacities(ctx, db, most)
			return capacities, nil, err
		}
		for _, w := range capacities[i].Workspaces {
			if w.Cohort != nil {
				cohorts[*w.Cohort] = true
			}
		}
	}
	if len(cohorts) == 0 {
		return capacities, workspaces, nil
	}
	members, err := store.Values[uuid.UUID](ctx, db, membersSQL, slices.Sorted(maps.Keys(cohorts)))
	if err != nil {
		return nil, nil, store.Wrap(err, "read the members of cohorts")
	}
	for _, id := range members {
		if !slices.Contains(workspaces, id) {
			workspaces = append(workspaces, id)
		}
	}
	capacities, err = Capacities(ctx, db, most, workspaces...)
	return capacities, workspaces, err
}
