package store

import "context"

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
