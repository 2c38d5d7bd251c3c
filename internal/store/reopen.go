package store

import (
	"context"
	"encoding/json"
)

var (
	reopenEndedSQL   = load("reopen_ended", "id", "run")
	reopenPendingSQL = load("reopen_pending", "id", "run")
)

// Reopen gives an open workflow its slot back: it was reset after its execution had ended, or started although its item is
// pending. Temporal runs it in any case, so it counts as usage even above the limit; nothing else starts until the workspace
// is below it. It returns false when the execution holds a slot, this run has recorded its outcome, or the item ended
// without an execution.
func Reopen(ctx context.Context, db DB, run Run) (bool, error) {
	tag, err := db.Exec(ctx, reopenEndedSQL, run.ExecutionID, run.RunID)
	if err != nil || tag.RowsAffected() > 0 {
		return tag.RowsAffected() > 0, Wrap(err, "reopen an execution that has ended")
	}
	return ReopenPending(ctx, db, run)
}

// ReopenPending takes an item whose workflow runs, although its start seemed to have failed, out of what waits, and has it
// hold a slot. It returns false when the item is not pending.
func ReopenPending(ctx context.Context, db DB, run Run) (bool, error) {
	tag, err := db.Exec(ctx, reopenPendingSQL, run.ExecutionID, run.RunID)
	return tag.RowsAffected() > 0, Wrap(err, "reopen a pending item")
}

var supersedeSQL = load("supersede", "id", "run", "status", "output", "error")

// Supersede replaces the outcome of an earlier run by that of a later one, after a reset. It returns false when the
// execution holds a slot, or its outcome is this run's already.
func Supersede(ctx context.Context, db DB, o Outcome) (bool, error) {
	o = o.storable()
	superseded, err := supersede(ctx, db, o)
	if bare, ok := withoutData(o, err); ok {
		superseded, err = supersede(ctx, db, bare)
	}
	return superseded, Wrap(err, "supersede an outcome")
}

func supersede(ctx context.Context, db DB, o Outcome) (bool, error) {
	tag, err := db.Exec(ctx, supersedeSQL, o.ExecutionID, o.RunID, o.Status, orNull(o.Output), orNull(o.Error))
	return tag.RowsAffected() > 0, err
}

func orNull(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	return raw
}
