package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Run is one run of an execution's workflow.
type Run struct {
	ExecutionID uuid.UUID
	RunID       string
	ClosedAt    time.Time // by Temporal's clock; zero: it is open, or that is not known
}

// Known is how the workflow of an item is known.
type Known struct {
	ItemID     uuid.UUID
	WorkflowID string
	RunID      string // empty: none is known
	Own        bool   // it is a workflow of its caller's own, not the Execution of a definition
}

var workflowsOfSQL = load("workflows_of", "ids")

// WorkflowsOf tells how the workflows of items are known, of those that there are.
func WorkflowsOf(ctx context.Context, db DB, ids []uuid.UUID) (map[uuid.UUID]Known, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var found []Known
	b := tuned()
	b.Queue(workflowsOfSQL, ids).Query(func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Known])
		return err
	})
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return nil, Wrap(err, "read what workflows are called")
	}
	known := make(map[uuid.UUID]Known, len(found))
	for _, k := range found {
		known[k.ItemID] = k
	}
	return known, nil
}

var hintedSQL = load("hinted", "ids", "names")

// HeldBy returns the items that hold a slot and are workflows of their callers' own, of those that have no other name than their
// ids, and those whose workflows are called so.
func HeldBy(ctx context.Context, db DB, ids []uuid.UUID, names []string) (items []Known, err error) {
	if len(ids)+len(names) == 0 {
		return nil, nil
	}
	b := tuned()
	b.Queue(hintedSQL, ids, names).Query(func(rows pgx.Rows) (err error) {
		items, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Known])
		return err
	})
	return items, Wrap(db.SendBatch(ctx, b).Close(), "look for the items of workflows")
}

var (
	unrecordedSQL = load("unrecorded", "ids", "runs", "closed")
	unheldSQL     = load("unheld", "ids", "runs")
)

// Unrecorded returns the executions of those closed runs whose end is not on record: they hold a slot, or what is on record
// is the end of another run, unless that came a minute or more after the closed one: then it is of a later run of the chain.
// One that has an end on record and holds a slot is none of them: it was claimed a second time, and DropClaim takes that away.
func Unrecorded(ctx context.Context, db DB, closed []Run) ([]uuid.UUID, error) {
	at := make([]*time.Time, len(closed))
	for i := range closed {
		if !closed[i].ClosedAt.IsZero() {
			at[i] = &closed[i].ClosedAt
		}
	}
	ids, err := compare(ctx, db, unrecordedSQL, closed, at)
	return ids, Wrap(err, "compare closed runs")
}

// Unheld returns the executions of those open runs that hold no slot and have not recorded an outcome themselves. A run that
// has is about to close.
func Unheld(ctx context.Context, db DB, open []Run) ([]uuid.UUID, error) {
	ids, err := compare(ctx, db, unheldSQL, open)
	return ids, Wrap(err, "compare open runs")
}

func compare(ctx context.Context, db DB, sql string, runs []Run, more ...any) (ids []uuid.UUID, err error) {
	if len(runs) == 0 {
		return nil, nil
	}
	executions, runIDs := make([]uuid.UUID, len(runs)), make([]string, len(runs))
	for i, r := range runs {
		executions[i], runIDs[i] = r.ExecutionID, r.RunID
	}
	b := tuned()
	b.Queue(sql, append([]any{executions, runIDs}, more...)...).Query(func(rows pgx.Rows) (err error) {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	return ids, db.SendBatch(ctx, b).Close()
}

var refusedSQL = load("refused", "id")

// Refused tells whether the item has ended without an execution.
func Refused(ctx context.Context, db DB, id uuid.UUID) (refused bool, err error) {
	err = db.QueryRow(ctx, refusedSQL, id).Scan(&refused)
	return refused, Wrap(err, "look for a refused item")
}

var (
	slotsToCheckSQL = load("slots_to_check", "age", "most")
	checkedSQL      = load("checked", "ids", "waits", "whats")
)

// SlotsToCheck returns the dispatched executions whose slot was compared with Temporal longest ago, at least age ago.
func SlotsToCheck(ctx context.Context, db DB, age time.Duration, most int) ([]uuid.UUID, error) {
	ids, err := Values[uuid.UUID](ctx, db, slotsToCheckSQL, age, most)
	return ids, Wrap(err, "read slots to check")
}

// Unserved is for how long no worker has completed a workflow task that an execution needs, and which, with its error.
type Unserved struct {
	For  time.Duration
	What string
}

// Checked notes that these slots are rightly held at this moment, and which of the executions are unserved. It returns those
// of which that was not known.
func Checked(ctx context.Context, db DB, held []uuid.UUID, unserved map[uuid.UUID]Unserved) (news []uuid.UUID, err error) {
	if len(held) == 0 {
		return nil, nil
	}
	held = inOrder(held, func(id uuid.UUID) uuid.UUID { return id })
	waits, whats := make([]*time.Duration, len(held)), make([]*string, len(held))
	for i, id := range held {
		if u, ok := unserved[id]; ok {
			waits[i], whats[i] = &u.For, &u.What
		}
	}
	b := tuned()
	b.Queue(unhurriedSQL)
	b.Queue(checkedSQL, held, waits, whats).Query(func(rows pgx.Rows) (err error) {
		news, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	return news, Wrap(db.SendBatch(ctx, b).Close(), "note checked slots")
}

// RecoveryState is where recovery stands.
type RecoveryState struct {
	LookedUntil time.Time   // up to then it has looked at what changed in Temporal; zero at first
	Due         int64       // dispatched executions whose slot was last compared with Temporal at least age ago
	Unserved    int64       // executions that no worker carries on
	Overdue     []uuid.UUID // executions that were asked to cancel at least patience ago; of workflows of a caller's own, those unserved for as long
}

var (
	recoveryStateSQL = load("recovery_state", "age", "patience")
	lookedUntilSQL   = load("looked_until", "until")
	failingSQL       = load("recovery_failing", "error")
)

// LoadRecoveryState reads where recovery stands.
func LoadRecoveryState(ctx context.Context, db DB, age, patience time.Duration) (s RecoveryState, err error) {
	var looked *time.Time
	err = db.QueryRow(ctx, recoveryStateSQL, age, patience).Scan(&looked, &s.Due, &s.Unserved, &s.Overdue)
	if looked != nil {
		s.LookedUntil = *looked
	}
	return s, Wrap(err, "read where recovery stands")
}

// SetLookedUntil notes up to when recovery has looked at what changed in Temporal. An earlier moment than the noted one
// changes nothing, unless that is from the future.
func SetLookedUntil(ctx context.Context, db DB, until time.Time) error {
	_, err := db.Exec(ctx, lookedUntilSQL, until)
	return Wrap(err, "note how far recovery has looked")
}

// SetFailing notes that a pass of recovery has failed, until SetLookedUntil is called.
func SetFailing(ctx context.Context, db DB, cause error) error {
	_, err := db.Exec(ctx, failingSQL, cause.Error())
	return Wrap(err, "note that recovery fails")
}

var logRecoveredSQL = load("log_recovered", "id", "reason")

// LogRecovered leaves a trace of a repair whose own statement leaves none.
func LogRecovered(ctx context.Context, db DB, id uuid.UUID, reason string) error {
	_, err := db.Exec(ctx, logRecoveredSQL, id, reason)
	return Wrap(err, "log a repair")
}

var askToCancelSQL = load("ask_to_cancel", "id")

// AskToCancel notes that an execution has been asked to cancel, and returns when it first was; ErrUnknownItem says that it has
// ended.
func AskToCancel(ctx context.Context, db DB, id uuid.UUID) (since time.Time, err error) {
	err = db.QueryRow(ctx, askToCancelSQL, id).Scan(&since)
	if isNone(err) {
		err = &RequestError{Kind: ErrUnknownItem, Message: "execution " + id.String() + " has ended"}
	}
	return since, Wrap(err, "note that an execution was asked to cancel")
}
