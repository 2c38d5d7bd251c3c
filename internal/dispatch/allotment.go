package dispatch

import (
	"context"
	"time"

	"sluice/internal/admission"
	"sluice/internal/admission/share"
	"sluice/internal/store"
)

// allotment is what a shard knows of its part of the global limit. Package share divides the limit.
type allotment struct {
	short   bool          // Postgres has it on record that this shard is short
	asked   time.Time     // when it last asked for more
	rests   time.Duration // for how long it does not ask again
	weight  int           // of the workspaces that wait or hold slots
	weighed time.Time     // when they were last looked through
}

const (
	// askEvery is how often a shard asks for slots of the global limit, and askShare which part of its time that may take: what all shards hold
	// is counted, which takes some milliseconds where that is thousands.
	askEvery = 10 * time.Millisecond
	askShare = 10
	// weighEvery is how often all workspaces are looked through for their weight.
	weighEvery = time.Second
)

// wantsAllotment tells whether only the shard's part of the global limit keeps it from a batch, and it has not asked for more just now.
func (e *Engine) wantsAllotment(batch int) bool {
	return batch > 0 && e.isShort() && time.Since(e.allotment.asked) > e.allotment.rests
}

// isShort tells whether the shard could start more if its part were larger.
func (e *Engine) isShort() bool {
	global := e.cache.in.Global
	return e.cache.shards > 1 && e.cache.limit != nil && (e.plan.decision.Waiting[admission.GlobalLimit] > 0 ||
		e.plan.decision.Contended && len(e.plan.taken) >= global.Limit-global.Used)
}

// askForAllotment asks for up to so many slots more, and tells whether what any shard may hold has changed.
func (e *Engine) askForAllotment(ctx context.Context, more int) (changed bool, err error) {
	a := &e.allotment
	a.asked = time.Now()
	if a.asked.Sub(a.weighed) > weighEvery {
		a.weight, a.weighed = 0, a.asked
		for i := range e.cache.in.Workspaces {
			if w := &e.cache.in.Workspaces[i]; w.Used > 0 || w.Ready > 0 && !w.Paused {
				a.weight += w.Weight
			}
		}
	}
	a.short = true
	limit, shards, err := store.NoteShortage(ctx, e.pool, e.shard, a.weight, more)
	a.rests = max(askEvery, askShare*time.Since(a.asked))
	if err != nil {
		return false, err
	}
	slots, changes := share.Divide(limit, shards)
	if !changes {
		return false, nil
	}
	return true, store.SetAllotments(ctx, e.pool, limit, slots)
}

// tellIfShort keeps on record whether the shard is short: one that is short and replaces what ends would never ask otherwise, and keep
// from others what they are due.
func (e *Engine) tellIfShort(ctx context.Context, batch int) (err error) {
	switch a := &e.allotment; {
	case batch > 0 && e.isShort() && time.Since(a.asked) > weighEvery:
		_, err = e.askForAllotment(ctx, batch)
	case a.short && !e.isShort():
		err = store.EndShortage(ctx, e.pool, e.shard)
		a.short = err != nil
	}
	return err
}
