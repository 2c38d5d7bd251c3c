package figures

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Mark is where a look stands: the next one goes on after it.
type Mark struct {
	Mark string // the snapshot, in Postgres' own notation
	Now  time.Time
}

// Usage is what a workspace may use and does use.
type Usage struct {
	ID              uuid.UUID
	Name, Plan      string
	ExternalKey     *string
	Cohort          *string
	Limit           int
	StartsPerSecond *float64
	Pending         int
	Running         int // slots held
	Unserved        int // executions that no worker carries on
	Unanswered      int // claims whose start has got no usable answer
	Shard           int
}

// Tier is a plan; Global is what all workspaces together may hold, nil: not bounded.
type Tier struct {
	Plan   string
	Limit  int
	Global *int
}

// Worker is a process that hosts workspaces.
type Worker struct {
	ID            uuid.UUID
	Identity      string
	WorkflowTypes []string
	AnyWorkflow   bool
	Workspaces    int // that it hosts
	StartedAt     time.Time
	SeenAt        time.Time
	Live          bool
}

// Execution is one that was started, and has ended unless EndedAt is nil.
type Execution struct {
	ID                   uuid.UUID
	WorkspaceID          uuid.UUID
	WorkflowType         string // empty: it runs a definition
	WorkflowDefinitionID *uuid.UUID
	Status               string
	AvailableAt          time.Time
	ClaimedAt            time.Time
	DispatchedAt         *time.Time
	EndedAt              *time.Time
}

// Arrived is how many items that still wait were enqueued in a step.
type Arrived struct {
	At int64 // when the step began, in seconds since 1970
	N  int
}

var (
	markSQL       = load("mark")
	hurrySQL      = load("hurry", "most")
	usageSQL      = load("usage")
	tiersSQL      = load("tiers")
	workersSQL    = load("workers")
	startedSQL    = load("started", "since")
	endedAfterSQL = load("ended_after", "mark", "since")
	endedSinceSQL = load("ended_since", "since", "most")
	arrivedSQL    = load("arrived", "step", "first", "since")
)

// QueueMark adds to a batch where the snapshot of its transaction stands. What is read in that transaction, at REPEATABLE READ, is what there
// was then.
func QueueMark(b *pgx.Batch, m *Mark) {
	b.Queue(markSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&m.Mark, &m.Now) })
}

// Hurry has statements of a transaction fail that take longer, from now on.
func Hurry(ctx context.Context, tx pgx.Tx, most time.Duration) error {
	_, err := tx.Exec(ctx, hurrySQL, most.Milliseconds())
	return store.Wrap(err, "bound what a statement may take")
}

// QueueUsages adds to a batch a list of all workspaces, by name. It counts each item that waits.
func QueueUsages(b *pgx.Batch, to *[]Usage) { store.QueueCollect(b, to, usageSQL) }

// QueueTiers adds to a batch a list of the plans, smallest first.
func QueueTiers(b *pgx.Batch, to *[]Tier) { store.QueueCollect(b, to, tiersSQL) }

// QueueWorkers adds to a batch a list of the processes that were seen within the hour, those that live first.
func QueueWorkers(b *pgx.Batch, to *[]Worker) { store.QueueCollect(b, to, workersSQL) }

// QueueStartedSince adds StartedSince to a batch.
func QueueStartedSince(b *pgx.Batch, to *[]Execution, since time.Time) {
	store.QueueCollect(b, to, startedSQL, since)
}

// StartedSince lists executions that run and were started since a moment.
func StartedSince(ctx context.Context, db store.DB, since time.Time) ([]Execution, error) {
	list, err := store.Collect[Execution](ctx, db, startedSQL, since)
	return list, store.Wrap(err, "read what was started")
}

// QueueEndedAfter adds to a batch a list of executions that have ended after an earlier look, none of them before since: its cost grows with
// their number only.
func QueueEndedAfter(b *pgx.Batch, to *[]Execution, after Mark, since time.Time) {
	store.QueueCollect(b, to, endedAfterSQL, after.Mark, since)
}

// EndedSince lists executions that have ended since a moment, at most so many.
func EndedSince(ctx context.Context, db store.DB, since time.Time, most int) ([]Execution, error) {
	list, err := store.Collect[Execution](ctx, db, endedSinceSQL, fresh, since, most)
	return list, store.Wrap(err, "read what has ended")
}

// ArrivedSince counts the items that wait and were enqueued since a moment, in steps.
func ArrivedSince(ctx context.Context, db store.DB, since time.Time, step time.Duration) ([]Arrived, error) {
	list, err := store.Collect[Arrived](ctx, db, arrivedSQL, fresh, step.Seconds(), store.FirstID(since), since)
	return list, store.Wrap(err, "read what was enqueued")
}
