package recovery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// releaseBatch is how many items of an expired partition are looked at in one statement.
const releaseBatch = 5000

// retain deletes what lies behind the retention, and returns how many partitions it has dropped.
func (r *Recovery) retain(ctx context.Context, until time.Time) (dropped int64, err error) {
	expired, err := store.ExpiredPartitions(ctx, r.db)
	// The retention may have been made longer, which ends a release before it is complete.
	maps.DeleteFunc(r.released, func(name string, _ uuid.UUID) bool {
		return !slices.ContainsFunc(expired, func(p store.Partition) bool { return p.Name == name })
	})
	locked := map[string]bool{} // the parents
	for _, p := range expired {
		if locked[p.Parent] || time.Now().After(until) {
			continue
		}
		gone, dropErr := r.drop(ctx, until, p)
		if gone {
			dropped++
			r.log.Info("dropped a partition behind the retention", "partition", p.Name, "to", p.ToAt)
		}
		locked[p.Parent] = !gone
		err = errors.Join(err, dropErr)
	}
	_, restErr := inBatches(ctx, r.db, until, store.PruneRest, sweepBatch)
	_, logErr := inBatches(ctx, r.db, until, store.PruneRestOfLog, pruneBatch)
	return dropped, errors.Join(err, restErr, logErr)
}

// drop deletes what a partition's items have elsewhere, and then the partition. It returns false when there was no time for
// all of it, or another transaction keeps it locked: the next sweep goes on.
func (r *Recovery) drop(ctx context.Context, until time.Time, p store.Partition) (bool, error) {
	for p.HoldsItems() && r.released[p.Name] != uuid.Max {
		if time.Now().After(until) {
			return false, nil
		}
		last, err := store.ReleasePartition(ctx, r.db, p, r.released[p.Name], releaseBatch)
		if err != nil {
			return false, err
		}
		if last == uuid.Nil {
			last = uuid.Max
		}
		r.released[p.Name] = last
	}
	dropped, err := store.DropPartition(ctx, r.db, p)
	if dropped {
		delete(r.released, p.Name)
	} else if err == nil {
		r.log.Info("another transaction keeps a partition behind the retention", "partition", p.Name)
	}
	return dropped, err
}
