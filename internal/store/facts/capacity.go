package facts

import (
	"context"
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
	Cohorts       []CohortCapacity    `db:"-"`
	Workspaces    []WorkspaceCapacity `db:"-"` // by id
}

// WorkspaceCapacity is what the policy needs to know of one workspace with a backlog.
type WorkspaceCapacity struct {
	Shard           int
	WorkspaceID     uuid.UUID
	Cohort          *string
	Limit           int // the most slots it may hold: its own limit, else that of its plan
	Nominal         int
	BorrowingLimit  *int // nil: up to Limit
	Weight          int
	StartsPerSecond *float64 // nil: not bounded
	Burst           *int
	Used            int        // slots held
	Ready           int        // items that could start now, counted up to a number
	Since           *time.Time // when the first of them became available
	NextDue         *time.Time // when its next scheduled item becomes ready
	Own             int64      // where it stands in line, see admission.Tags
	Borrowed        int64
	Tokens          *float64
	TokensAt        *time.Time
}

// CohortCapacity is what all members of a cohort have together.
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
)

// Capacities reads usage, limits and backlog, for each shard: of these workspaces, or without any of all that have pending items.
// Each count of ready items stops at most. It costs per workspace with a backlog, per slot that is held, and per member of
// a cohort, and not per item.
func Capacities(ctx context.Context, db store.DB, most int, workspaces ...uuid.UUID) ([]Capacity, error) {
	var shards []Capacity
	var cohorts []CohortCapacity
	var read []WorkspaceCapacity
	b := &pgx.Batch{}
	collect(b, &shards, capacitySharedSQL)
	collect(b, &cohorts, capacityCohortsSQL)
	collect(b, &read, capacityWorkspacesSQL, orAll(workspaces), most)
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return nil, store.Wrap(err, "read capacity")
	}
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
	return shards, nil
}

// collect adds a statement to a batch and reads its rows.
func collect[T any](b *pgx.Batch, into *[]T, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByName[T])
		return err
	})
}

// deciding reads what decides about some workspaces, or without any about all: their own capacity or, where they share a
// limit with others, that of everything.
func deciding(ctx context.Context, db store.DB, most int, workspaces ...uuid.UUID) ([]Capacity, error) {
	capacities, err := Capacities(ctx, db, most, workspaces...)
	if err != nil || len(workspaces) == 0 {
		return capacities, err
	}
	for i := range capacities {
		if c := &capacities[i]; c.Limit != nil || c.inCohorts() {
			return Capacities(ctx, db, most)
		}
	}
	return capacities, nil
}

// inCohorts tells whether any of the workspaces is in a cohort.
func (c *Capacity) inCohorts() bool {
	for i := range c.Workspaces {
		if c.Workspaces[i].Cohort != nil {
			return true
		}
	}
	return false
}
