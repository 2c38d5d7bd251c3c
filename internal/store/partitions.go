package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Partition holds what ended, or was logged, from one moment to another.
type Partition struct {
	Name   string
	Parent string // ended or activity_log
	FromAt time.Time
	ToAt   time.Time
}

// HoldsItems tells whether it is a partition of items, which may have large inputs and unique keys elsewhere.
func (p Partition) HoldsItems() bool { return p.Parent == "ended" }

var (
	makePartitionsSQL    = load("make_partitions")
	expiredPartitionsSQL = load("expired_partitions")
	releasePartitionSQL  = load("release_partition", "from", "to", "after", "most")
	dropPartitionSQL     = load("drop_partition", "name")
)

// MakePartitions makes the partitions of the coming days and returns how many. While another transaction keeps a table
// locked it makes none; what ends without a partition goes to a table for the rest.
func MakePartitions(ctx context.Context, db DB) (made int, err error) {
	err = db.QueryRow(ctx, makePartitionsSQL).Scan(&made)
	return made, Wrap(err, "make partitions")
}

// ExpiredPartitions returns the partitions all of which lies behind the retention, oldest first; none while it is 0.
func ExpiredPartitions(ctx context.Context, db DB) ([]Partition, error) {
	expired, err := Collect[Partition](ctx, db, expiredPartitionsSQL)
	return expired, Wrap(err, "read expired partitions")
}

// ReleasePartition deletes the large inputs and the unique keys of the next items of an expired partition, at most so many,
// by their ids from the one after. It returns the last of these, or uuid.Nil when there are no more.
func ReleasePartition(ctx context.Context, db DB, p Partition, after uuid.UUID, most int) (last uuid.UUID, err error) {
	err = db.QueryRow(ctx, releasePartitionSQL, p.FromAt, p.ToAt, after, most).Scan(&last)
	if isNone(err) {
		return uuid.Nil, nil
	}
	return last, Wrap(err, "release an expired partition")
}

// DropPartition drops an expired partition. It returns false, and has done nothing, if the partition does not lie behind the
// retention, or another transaction keeps it locked for longer than outcomes may wait behind the drop.
func DropPartition(ctx context.Context, db DB, p Partition) (dropped bool, err error) {
	err = db.QueryRow(ctx, dropPartitionSQL, p.Name).Scan(&dropped)
	return dropped, Wrap(err, "drop an expired partition")
}

var (
	pruneRestSQL      = load("prune_rest", "most")
	pruneRestOfLogSQL = load("prune_rest_of_log", "most")
)

// PruneRest deletes what lies behind the retention of the items that ended while there was no partition, at most so many.
func PruneRest(ctx context.Context, db DB, most int) (n int64, err error) {
	err = db.QueryRow(ctx, pruneRestSQL, most).Scan(&n)
	return n, Wrap(err, "delete old items")
}

// PruneRestOfLog deletes what lies behind the retention of the log that was written while there was no partition, at most
// so many rows.
func PruneRestOfLog(ctx context.Context, db DB, most int) (int64, error) {
	tag, err := db.Exec(ctx, pruneRestOfLogSQL, most)
	return tag.RowsAffected(), Wrap(err, "delete old log entries")
}
