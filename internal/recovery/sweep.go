package recovery

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

const (
	sweepBatch = 1000
	pruneBatch = 20_000
	// sweepTime is when a sweep ends although there is more to do; the next one goes on.
	sweepTime = 20 * time.Second
	// eventAge is longer than any dispatcher goes without reading events. One that has slept begins afresh.
	eventAge = 20 * time.Minute
	// turnsAge is for how long the journal tells why claims came to nothing.
	turnsAge = time.Hour
)

// Sweep ends what has waited too long or waits for a workspace that is gone, and keeps the tables small. Each step stands
// alone: one that fails does not keep the others from running.
func (r *Recovery) Sweep(ctx context.Context) (report Report, err error) {
	r.sweeping.Lock()
	defer r.sweeping.Unlock()
	until := time.Now().Add(sweepTime)
	_, partitionsErr := store.MakePartitions(ctx, r.db)
	_, rightErr := store.SetRight(ctx, r.db)
	report.Expired, err = inBatches(ctx, r.db, until, store.Expire, sweepBatch)
	err = errors.Join(partitionsErr, rightErr, err)
	orphaned, orphansErr := inBatches(ctx, r.db, until, store.RefuseOrphans, sweepBatch)
	report.Orphaned = orphaned
	_, eventsErr := inBatches(ctx, r.db, until, olderThan(eventAge, store.PruneEvents), pruneBatch)
	_, turnsErr := inBatches(ctx, r.db, until, olderThan(turnsAge, store.PruneTurns), pruneBatch)
	dropped, retainErr := r.retain(ctx, until)
	report.Dropped = dropped
	keysErr := errors.Join(r.pruneKeys(ctx, until), r.pruneInputs(ctx, until))
	_, limitsErr := inBatches(ctx, r.db, until, store.PruneLimits, pruneBatch)
	_, replaysErr := inBatches(ctx, r.db, until, store.PruneReplays, pruneBatch)
	if report.Expired+report.Orphaned > 0 {
		r.log.Info("swept the queue", "expired", report.Expired, "orphaned", report.Orphaned)
	}
	return report, errors.Join(err, orphansErr, eventsErr, turnsErr, retainErr, keysErr, limitsErr, replaysErr)
}

// batch does something to so many rows at most, and returns to how many.
type batch func(ctx context.Context, db store.DB, most int) (int64, error)

func olderThan(age time.Duration, prune func(context.Context, store.DB, time.Duration, int) (int64, error)) batch {
	return func(ctx context.Context, db store.DB, most int) (int64, error) { return prune(ctx, db, age, most) }
}

// inBatches repeats a batch until it finds nothing more, or the time is over.
func inBatches(ctx context.Context, db store.DB, until time.Time, do batch, most int) (total int64, err error) {
	for {
		n, err := do(ctx, db, most)
		total += n
		if err != nil || n < int64(most) || time.Now().After(until) {
			return total, err
		}
	}
}

const (
	keyPage = 1000
	// keyPages are looked at in each sweep, and more while at least one key in keyYield is over.
	keyPages = 5
	keyYield = 10
)

// pruneKeys goes on with the unique keys where the last sweep left off.
func (r *Recovery) pruneKeys(ctx context.Context, until time.Time) error {
	for pages := 1; ; pages++ {
		n, last, err := store.PruneKeys(ctx, r.db, r.lastKey, keyPage)
		r.lastKey = last
		if err != nil || last == (store.UniqueKey{}) || pages >= keyPages && n < keyPage/keyYield || time.Now().After(until) {
			return err
		}
	}
}

// pruneInputs goes on with the large inputs where the last sweep left off.
func (r *Recovery) pruneInputs(ctx context.Context, until time.Time) error {
	for pages := 1; ; pages++ {
		n, last, err := store.PruneInputs(ctx, r.db, r.lastInput, keyPage)
		r.lastInput = last
		if err != nil || last == uuid.Nil || pages >= keyPages && n < keyPage/keyYield || time.Now().After(until) {
			return err
		}
	}
}
