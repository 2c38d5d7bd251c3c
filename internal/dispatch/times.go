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
	times := store.Times{Cohorts: []store.Clock{{OwnClock: int64(c.in.Clocks[admission.Own]), BorrowedClock: int64(c.in.Clocks[admission.Borrowed])}}}
	for _, k := range c.in.Cohorts {
		times.Cohorts = append(times.Cohorts, store.Clock{
			Cohort: k.Name, OwnClock: int64(k.Clocks[admission.Own]), BorrowedClock: int64(k.Clocks[admission.Borrowed]),
			Own: int64(k.Tags[admission.Own]), Borrowed: int64(k.Tags[admission.Borrowed]),
		})
	}
	for w := range c.dirty {
		times.Workspaces = append(times.Workspaces, store.WorkspaceTimes{
			WorkspaceID: w.view.ID, Own: int64(w.view.Tags[admission.Own]), Borrowed: int64(w.view.Tags[admission.Borrowed]),
		})
	}
	slices.SortFunc(times.Cohorts, func(a, b store.Clock) int { return bytes.Compare([]byte(a.Cohort), []byte(b.Cohort)) })
	slices.SortFunc(times.Workspaces, func(a, b store.WorkspaceTimes) int { return bytes.Compare(a.WorkspaceID[:], b.WorkspaceID[:]) })
	store.QueueTimes(b, e.shard, c.turn, times)
	clear(c.dirty)
	c.kept = time.Now()
}
