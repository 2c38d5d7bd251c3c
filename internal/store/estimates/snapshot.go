package estimates

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Record is what starts are worked out from, beside what package facts tells of capacity.
type Record struct {
	AgeingStep time.Duration
	SlotTime   bool    // fairness counts it, and not starts
	Longest    float64 // execution of late, in seconds
	Places     []Place // by workspace and number
	Held       []Slot
	Ended      []Ended // those that ended last first
	Arrived    []Arrived
	Workspaces []Workspace
}

// Place is an item in the line of a workspace.
type Place struct {
	WorkspaceID uuid.UUID
	Number      int
	ID          uuid.UUID
	Due         time.Time
	More        bool // the line may be longer than what was read of it
}

// Slot is a slot that is held.
type Slot struct {
	WorkspaceID uuid.UUID
	AvailableAt time.Time
	ClaimedAt   time.Time
	Stuck       bool // no worker carries it on
}

// Ended is an execution that has ended.
type Ended struct {
	WorkspaceID uuid.UUID
	AvailableAt time.Time
	ClaimedAt   time.Time
	EndedAt     time.Time
}

// Arrived are the items of a workspace and priority that have become available.
type Arrived struct {
	WorkspaceID uuid.UUID
	Priority    int
	N           int
	First, Last time.Time
}

// Workspace is what a workspace may use, and where it stands.
type Workspace struct {
	WorkspaceID     uuid.UUID
	Shard           int
	Cohort          *string
	Ceiling         int
	Nominal         int
	BorrowingLimit  *int
	LendingLimit    *int
	Weight          int
	StartsPerSecond *float64
	Burst           *int
	Own             int64
	Borrowed        int64
	Tokens          *float64
	TokensAt        *time.Time
	SlotTime        float64 // for how long its executions have held their slots of late, in seconds; 0: not known
	Paused          bool
}

var (
	policySQL     = load("policy")
	linesSQL      = load("lines", "most", "places", "gaps")
	heldSQL       = load("held")
	endedSQL      = load("ended", "since", "most")
	arrivedSQL    = load("arrived", "first", "since")
	workspacesSQL = load("workspaces", "workspaces")
)

// Bounds are how much of it is read.
type Bounds struct {
	Since time.Time // what has ended and arrived
	Ended int       // the most executions that have ended
	Items int       // about the most items that wait
	// Places are those of lines that are read, beside those at gaps that are longer than the whole divided by Gaps.
	Places []int
	Gaps   int
}

// Read reads the record. It costs by the items that wait, up to the bounds.
func Read(ctx context.Context, db store.DB, within Bounds) (r Record, err error) {
	b := &pgx.Batch{}
	b.Queue(policySQL).QueryRow(func(row pgx.Row) error { return row.Scan(&r.AgeingStep, &r.SlotTime, &r.Longest) })
	collect(b, &r.Places, linesSQL, within.Items, within.Places, within.Gaps)
	collect(b, &r.Held, heldSQL)
	collect(b, &r.Ended, endedSQL, within.Since, within.Ended)
	collect(b, &r.Arrived, arrivedSQL, store.FirstID(within.Since), within.Since)
	if err = db.SendBatch(ctx, b).Close(); err != nil {
		return r, store.Wrap(err, "read what waits and runs")
	}
	seen, ids := map[uuid.UUID]bool{}, []uuid.UUID{}
	add := func(id uuid.UUID) {
		if !seen[id] {
			seen[id], ids = true, append(ids, id)
		}
	}
	for _, p := range r.Places {
		add(p.WorkspaceID)
	}
	for _, s := range r.Held {
		add(s.WorkspaceID)
	}
	for _, a := range r.Arrived {
		add(a.WorkspaceID)
	}
	r.Workspaces, err = store.Collect[Workspace](ctx, db, workspacesSQL, ids)
	return r, store.Wrap(err, "read limits")
}

func collect[T any](b *pgx.Batch, into *[]T, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByName[T])
		return err
	})
}
