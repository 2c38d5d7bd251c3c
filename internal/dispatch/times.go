package dispatch

import (
	"bytes"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/internal/admission"
	"sluice/internal/store"
)

// keepEvery is how often virtual times are put on record. A process that dies takes along what was charged since: those
// workspaces may be served a little more before the others.
const keepEvery = time.Second

// queueTimes adds what puts virtual times on record, if there are any and it is time.
func (e *Engine) queueTimes(b *pgx.Batch) {
	c := &e.cache
	if len(c.dirty) == 0 || time.Since(c.kept) < keepEvery {
		return
	}
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
