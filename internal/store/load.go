package store

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Shard is what a dispatcher knows of its shard as a whole.
type Shard struct {
	Mark       string // the snapshot that was read, see News
	Now        time.Time
	Turn       int64 // the newest
	Run        int64 // the turn with which the dispatcher's run took the shard over
	Shards     int   // how many there are
	AgeingStep time.Duration
	SlotTime   bool // fairness counts it, and not starts
	Limit      *int // of all workspaces together; nil: there is none
	Allotment  int  // what the shard may hold of it, where there are several shards
}

var loadShardSQL = load("load_shard", "shard")

// QueueShard adds to a batch what reads a shard.
func QueueShard(b *pgx.Batch, shard int, s *Shard) {
	b.Queue(loadShardSQL, shard).QueryRow(func(row pgx.Row) error {
		return row.Scan(&s.Mark, &s.Now, &s.Turn, &s.Run, &s.Shards, &s.AgeingStep, &s.SlotTime, &s.Limit, &s.Allotment)
	})
}

var (
	loadRunningSQL = load("load_running", "shard")
	runningOfSQL   = load("running_of", "workspace")
)

// Slot is a slot that an execution holds.
type Slot struct {
	ID           uuid.UUID
	WorkspaceID  uuid.UUID
	Undispatched bool
	Since        time.Time
	DefinitionID uuid.UUID // nil: it is a workflow
	WorkflowType string
}

// QueueRunning adds to a batch what reads the slots of a shard.
func QueueRunning(b *pgx.Batch, shard int, held func(Slot)) {
	b.Queue(loadRunningSQL, shard).Query(eachSlot(held))
}

// QueueRunningOf adds to a batch what reads the slots of a workspace.
func QueueRunningOf(b *pgx.Batch, workspace uuid.UUID, held func(Slot)) {
	b.Queue(runningOfSQL, workspace).Query(eachSlot(held))
}

func eachSlot(held func(Slot)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var s Slot
		_, err := pgx.ForEachRow(rows, []any{&s.ID, &s.WorkspaceID, &s.Undispatched, finite{&s.Since}, &s.DefinitionID, &s.WorkflowType}, func() error {
			held(s)
			return nil
		})
		return err
	}
}

var loadClocksSQL = load("load_clocks", "shard")

// QueueClocks adds to a batch what reads the clocks of a shard.
func QueueClocks(b *pgx.Batch, shard int, to *[]Clock) {
	b.Queue(loadClocksSQL, shard).Query(func(rows pgx.Rows) (err error) {
		*to, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Clock])
		return err
	})
}

// Quota is what a workspace may use, and where it stands.
type Quota struct {
	WorkspaceID     uuid.UUID
	Name            string
	Plan            string
	Cohort          *string
	Ceiling         int
	Nominal         int
	BorrowingLimit  *int // nil: up to Ceiling
	Weight          int
	StartsPerSecond *float64 // nil: not limited
	Burst           *int
	LendingLimit    *int  // nil: all of Nominal
	Own             int64 // see admission.Tags
	Borrowed        int64
	Tokens          *float64 // nil: none has been taken yet
	TokensAt        *time.Time
	SlotTime        float64            // for how long its executions have held their slots of late, in seconds; 0: not known
	SlotTimes       map[string]float64 // the same by workflow type and definition, see slots.Account.Record; nil: not known
	Until           *time.Time         // when the first of its limits for a time ends; nil: it has none
}

var (
	quotasSQL        = load("quotas", "shard", "workspaces")
	cohortMembersSQL = load("cohort_members")
)

// QueueQuotas adds to a batch what reads the quotas of some workspaces, of those that belong to the shard.
func QueueQuotas(b *pgx.Batch, shard int, workspaces []uuid.UUID, each func(Quota)) {
	if len(workspaces) == 0 {
		return
	}
	b.Queue(quotasSQL, shard, workspaces).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var q Quota
			var tokensAt time.Time
			if err := rows.Scan(&q.WorkspaceID, &q.Name, &q.Plan, &q.Cohort, &q.Ceiling, &q.Nominal, &q.BorrowingLimit, &q.Weight,
				&q.StartsPerSecond, &q.Burst, &q.LendingLimit, &q.Own, &q.Borrowed, &q.Tokens, finite{&tokensAt}, &q.SlotTime, &q.SlotTimes, &q.Until); err != nil {
				return err
			}
			if !tokensAt.IsZero() {
				q.TokensAt = &tokensAt
			}
			each(q)
		}
		return rows.Err()
	})
}

// Pause is what is paused of a workspace, or of all: everything, a workflow type, or a definition.
type Pause struct {
	WorkspaceID  uuid.UUID // nil: all
	WorkflowType string
	DefinitionID uuid.UUID
	Until        time.Time // zero: until it is resumed
}

var pausesSQL = load("pauses")

// QueuePauses adds to a batch what reads the pauses that hold.
func QueuePauses(b *pgx.Batch, to *[]Pause) {
	b.Queue(pausesSQL).Query(func(rows pgx.Rows) error {
		var workspace, definition *uuid.UUID
		var kind *string
		var until *time.Time
		_, err := pgx.ForEachRow(rows, []any{&workspace, &kind, &definition, &until}, func() error {
			*to = append(*to, Pause{orZero(workspace), orZero(kind), orZero(definition), orZero(until)})
			return nil
		})
		return err
	})
}

// QueueCohortMembers adds to a batch what reads which workspaces are in a cohort, of whichever shard.
func QueueCohortMembers(b *pgx.Batch, to *[]uuid.UUID) {
	b.Queue(cohortMembersSQL).Query(func(rows pgx.Rows) (err error) {
		*to, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
}

// Definition is the current version of a definition.
type Definition struct {
	ID          uuid.UUID
	WorkspaceID uuid.UUID
	Name        string
	VersionID   uuid.UUID // nil: it has none
	Version     int
}

var (
	definitionsSQL = load("definitions", "definitions")
	workflowsSQL   = load("workflows", "versions")
)

// QueueDefinitions adds to a batch what reads definitions and their current versions, of those that there are.
func QueueDefinitions(b *pgx.Batch, ids []uuid.UUID, each func(Definition)) {
	if len(ids) == 0 {
		return
	}
	b.Queue(definitionsSQL, ids).Query(func(rows pgx.Rows) error {
		var d Definition
		var versionID *uuid.UUID
		var version *int
		_, err := pgx.ForEachRow(rows, []any{&d.ID, &d.WorkspaceID, &d.Name, &versionID, &version}, func() error {
			d.VersionID, d.Version = orZero(versionID), orZero(version)
			each(d)
			return nil
		})
		return err
	})
}

// QueueWorkflows adds to a batch what reads the workflows of definition versions.
func QueueWorkflows(b *pgx.Batch, versions []uuid.UUID, each func(version uuid.UUID, workflow []byte)) {
	if len(versions) == 0 {
		return
	}
	b.Queue(workflowsSQL, versions).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id uuid.UUID
			var workflow []byte
			if err := rows.Scan(&id, &workflow); err != nil {
				return err
			}
			each(id, workflow)
		}
		return rows.Err()
	})
}
