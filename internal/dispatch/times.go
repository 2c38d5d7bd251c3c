package dispatch

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/internal/admission"
	"sluice/internal/store"
)

// keepEvery is how often virtual times are put on record. A process that dies takes along what was charged since: those
// workspaces may be served a little more before the others.
const keepEvery = time.Second

// keepTimes puts virtual times on record after a claim, in a transaction of their own. In that of the claim they would not be, because it has
// taken a turn after the one that is known, and the claim would not wait for the disk, because they do not.
func (e *Engine) keepTimes(ctx context.Context) error {
	if !e.cache.known || !e.timesDue() {
		return nil
	}
	return e.unheard(store.Wrap(store.Send(ctx, e.pool, e.queueTimes), "keep virtual times"))
}

// timesDue tells whether there are any to be put on record, and it is time. While somebody waits the clocks move on by themselves, and the next
// look may be another process's.
func (e *Engine) timesDue() bool {
	return (len(e.cache.dirty) > 0 || e.cache.contended) && time.Since(e.cache.kept) >= keepEvery
}

// queueTimes adds what puts virtual times on record, if it is time.
func (e *Engine) queueTimes(b *pgx.Batch) {
	if !e.timesDue() {
		return
	}
	c := &e.cache
	in := &c.in
	times := store.Times{Cohorts: []store.Clock{{OwnClock: int64(in.Clocks[admission.Own]), BorrowedClock: int64(in.Clocks[admission.Borrowed]),
		SlotTime: c.ledger.Fleet.Seconds(), Longest: c.ledger.Longest.Seconds()}}}
	for i := range in.Cohorts {
		k := &in.Cohorts[i]
		own, borrowed := onRecord(k, in.Clocks)
		times.Cohorts = append(times.Cohorts, store.Clock{
			Cohort: k.Name, OwnClock: int64(k.Clocks[admission.Own]), BorrowedClock: int64(k.Clocks[admission.Borrowed]), Own: own, Borrowed: borrowed,
		})
	}
	for w := range c.dirty {
		clocks := in.Clocks
		if w.view.Cohort != admission.NoCohort {
			clocks = in.Cohorts[w.view.Cohort].Clocks
		}
		own, borrowed := onRecord(&w.view, clocks)
		times.Workspaces = append(times.Workspaces, store.WorkspaceTimes{WorkspaceID: w.view.ID, Own: own, Borrowed: borrowed, SlotTime: w.account.Mean.Seconds(), SlotTimes: w.account.Record()})
	}
	slices.SortFunc(times.Cohorts, func(a, b store.Clock) int { return bytes.Compare([]byte(a.Cohort), []byte(b.Cohort)) })
	slices.SortFunc(times.Workspaces, func(a, b store.WorkspaceTimes) int { return bytes.Compare(a.WorkspaceID[:], b.WorkspaceID[:]) })
	store.QueueTimes(b, e.shard, c.turn, times)
	clear(c.dirty)
	c.kept = time.Now()
}

// onRecord are the tags of a workspace or a cohort as they are recorded.
func onRecord(of interface {
	Absolute(admission.Class, admission.VirtualTime) admission.VirtualTime
}, clocks admission.Clocks) (own, borrowed int64) {
	at := func(class admission.Class) int64 { return int64(of.Absolute(class, clocks[class])) }
	return at(admission.Own), at(admission.Borrowed)
}
