package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var (
	expiredSQL = load("expired", "most")
	orphansSQL = load("orphans", "most")
)

// Expire ends pending items whose time is over, at most so many.
func Expire(ctx context.Context, db DB, most int) (int64, error) {
	ended, err := endChosen(ctx, db, expiredSQL, most, Refusal{Status: "EXPIRED", Reason: "expired", Actor: "recovery"})
	return ended, Wrap(err, "expire items")
}

// RefuseOrphans ends pending items whose workspace is gone, at most so many: no dispatcher could ever admit them.
func RefuseOrphans(ctx context.Context, db DB, most int) (int64, error) {
	ended, err := endChosen(ctx, db, orphansSQL, most, Refusal{Status: "FAILED", Reason: "workspace-gone", Actor: "recovery"})
	return ended, Wrap(err, "refuse items without a workspace")
}

var setRightSQL = load("set_right")

// SetRight makes items available that were enqueued while the database's clock was ahead, and returns how many.
func SetRight(ctx context.Context, db DB) (n int64, err error) {
	err = db.QueryRow(ctx, setRightSQL).Scan(&n)
	return n, Wrap(err, "set the times of items right")
}

// endChosen ends the pending items that a statement chooses.
func endChosen(ctx context.Context, db DB, sql string, most int, r Refusal) (int64, error) {
	var ids []uuid.UUID
	b := tuned()
	b.Queue(sql, most).Query(func(rows pgx.Rows) (err error) {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return 0, err
	}
	ended, err := EndPending(ctx, db, ids, r)
	return int64(len(ended)), err
}

var (
	pruneEventsSQL = load("prune_events", "age", "most")
	pruneTurnsSQL  = load("prune_turns", "age", "most")
)

// PruneEvents deletes events that are older than age, at most so many. A dispatcher reads them more often than that, or
// begins afresh.
func PruneEvents(ctx context.Context, db DB, age time.Duration, most int) (int64, error) {
	tag, err := db.Exec(ctx, pruneEventsSQL, age, most)
	return tag.RowsAffected(), Wrap(err, "delete old events")
}

// PruneTurns deletes turns of the journal that are older than age, at most so many, but not the newest of each shard.
func PruneTurns(ctx context.Context, db DB, age time.Duration, most int) (int64, error) {
	tag, err := db.Exec(ctx, pruneTurnsSQL, age, most)
	return tag.RowsAffected(), Wrap(err, "delete old turns")
}

var (
	pruneInputsSQL = load("prune_inputs", "after", "most")
	pruneLimitsSQL = load("prune_limits", "most")

	pruneReplaysSQL = load("prune_replays", "most")
)

// PruneInputs looks at the next large inputs after one, at most so many, and deletes those whose item is nowhere: it was deleted
// by hand. It returns how many, and the id to go on after: uuid.Nil comes after the last.
func PruneInputs(ctx context.Context, db DB, after uuid.UUID, most int) (deleted int64, last uuid.UUID, err error) {
	var seen int
	err = db.QueryRow(ctx, pruneInputsSQL, after, most).Scan(&deleted, &seen, &last)
	if seen < most {
		last = uuid.Nil
	}
	return deleted, last, Wrap(err, "delete inputs")
}

// PruneLimits deletes what is on record of the limits of workspaces that were deleted before all that is retained, at most so
// many changes.
func PruneLimits(ctx context.Context, db DB, most int) (int64, error) {
	tag, err := db.Exec(ctx, pruneLimitsSQL, most)
	return tag.RowsAffected(), Wrap(err, "delete old limits")
}

// PruneReplays deletes which item replays which, of those that are not retained any more, at most so many.
func PruneReplays(ctx context.Context, db DB, most int) (int64, error) {
	tag, err := db.Exec(ctx, pruneReplaysSQL, most)
	return tag.RowsAffected(), Wrap(err, "delete old replays")
}
