package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

var (
	deleteWorkspaceSQL = load("delete_workspace", "workspace")
	logDeletedSQL      = load("log_deleted", "actor", "workspace")
)

// DeleteWorkspace deletes a workspace and its definitions, and logs who did. From then on nothing is enqueued or claimed for it;
// what there is of it stays until it is erased. It returns false when there is no such workspace.
func DeleteWorkspace(ctx context.Context, tx pgx.Tx, workspace uuid.UUID, actor string) (bool, error) {
	tag, err := tx.Exec(ctx, deleteWorkspaceSQL, workspace)
	if err != nil || tag.RowsAffected() == 0 {
		return false, err
	}
	_, err = tx.Exec(ctx, logDeletedSQL, actor, workspace)
	return true, err
}

var belongingsSQL = load("belongings", "workspace")

// Belongings reads how much there is of a workspace, or of one that has been deleted. T has Name *string, Pending, Running and Ended.
func Belongings[T any](ctx context.Context, db store.DB, workspace uuid.UUID) (T, error) {
	return one[T](ctx, db, belongingsSQL, workspace)
}

// eraseBatch is how many rows one statement deletes, so that none holds its locks for long.
const eraseBatch = 2000

var (
	erasePendingSQL = load("erase_pending", "workspace", "most")
	eraseEndedSQL   = load("erase_ended", "workspace", "most")
	eraseKeysSQL    = load("erase_keys", "workspace", "most")
	eraseMarksSQL   = load("erase_marks", "workspace")
)

// Erase deletes all that there is of a workspace that has been deleted, except what runs: in batches, so that it can be broken
// off and begun again. It returns how many items waited and how many had ended.
func Erase(ctx context.Context, db store.DB, workspace uuid.UUID) (pending, ended int64, err error) {
	var errs [3]error
	pending, errs[0] = erase(ctx, db, erasePendingSQL, workspace)
	ended, errs[1] = erase(ctx, db, eraseEndedSQL, workspace)
	_, errs[2] = erase(ctx, db, eraseKeysSQL, workspace)
	if err := errors.Join(errs[:]...); err != nil {
		return pending, ended, store.Wrap(err, "erase workspace "+workspace.String())
	}
	_, err = db.Exec(ctx, eraseMarksSQL, workspace)
	return pending, ended, store.Wrap(err, "erase workspace "+workspace.String())
}

func erase(ctx context.Context, db store.DB, sql string, workspace uuid.UUID) (total int64, err error) {
	for {
		var n int64
		if err := db.QueryRow(ctx, sql, workspace, eraseBatch).Scan(&n); err != nil {
			return total, err
		}
		if total += n; n < eraseBatch {
			return total, nil
		}
	}
}

// Slot is one that an execution of a workspace holds.
type Slot struct {
	ID         uuid.UUID
	ClaimedAt  time.Time
	Dispatched bool // its workflow is known to have started
	WorkflowID string
	RunID      string // empty: none is known
	Own        bool   // see store.Known
}

var (
	runningOfSQL    = load("running_of", "workspace")
	eraseRunningSQL = load("erase_running", "workspace", "ids")
)

// RunningOf returns the slots that a workspace holds, whether it has been deleted or not.
func RunningOf(ctx context.Context, db store.DB, workspace uuid.UUID) ([]Slot, error) {
	slots, err := store.Collect[Slot](ctx, db, runningOfSQL, workspace)
	return slots, store.Wrap(err, "read what runs of workspace "+workspace.String())
}

// EraseRunning frees the slots of executions whose workflows are not open, and deletes what there is of them.
func EraseRunning(ctx context.Context, db store.DB, workspace uuid.UUID, ids []uuid.UUID) (n int64, err error) {
	err = db.QueryRow(ctx, eraseRunningSQL, workspace, ids).Scan(&n)
	return n, store.Wrap(err, "free the slots of workspace "+workspace.String())
}
