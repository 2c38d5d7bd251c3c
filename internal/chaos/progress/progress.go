// Package progress judges, when all is over, whether items were claimed when they could be: from the times at which they were
// ready, the slots that were held, the limits in force, and the times at which parts of the system were away. It is pure. It
// knows no cohorts.
package progress

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/audit"
)

// Span is a time from one moment to another.
type Span struct{ From, To time.Time }

func (s Span) length() time.Duration { return s.To.Sub(s.From) }

// Wait is the time for which an item was ready and not claimed.
type Wait struct {
	ID        uuid.UUID
	Workspace uuid.UUID
	From, To  time.Time
}

// Judge knows what the run was like.
type Judge struct {
	limits  audit.Limits
	changed []time.Time // when limits of workspaces changed
	held    map[uuid.UUID][]audit.Held
	closed  []Span // nothing could be claimed: a part was away, or the global limit left no slot free
}

// New returns a judge of a run with these limits, slots and outages.
func New(changes []audit.Change, global []audit.GlobalChange, held []audit.Held, away []Span) *Judge {
	j := &Judge{limits: audit.NewLimits(changes), held: map[uuid.UUID][]audit.Held{}, closed: append(full(held, global), away...)}
	for _, c := range changes {
		j.changed = append(j.changed, c.At)
	}
	for _, h := range held {
		j.held[h.Workspace] = append(j.held[h.Workspace], h)
	}
	return j
}

// full are the times at which the global limit left no slot free.
func full(held []audit.Held, global []audit.GlobalChange) (spans []Span) {
	type event struct {
		at     time.Time
		slots  int
		change *audit.GlobalChange
	}
	var events []event
	for _, h := range held {
		events = append(events, event{at: h.From, slots: 1})
		if !h.To.IsZero() {
			events = append(events, event{at: h.To, slots: -1})
		}
	}
	for i := range global {
		events = append(events, event{at: global[i].At, change: &global[i]})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	var since time.Time
	var limit *int
	used := 0
	for i, e := range events {
		used += e.slots
		if e.change != nil {
			limit = e.change.Limit
		}
		if i+1 < len(events) && events[i+1].at.Equal(e.at) {
			continue
		}
		switch isFull := limit != nil && used >= *limit; {
		case isFull && since.IsZero():
			since = e.at
		case !isFull && !since.IsZero():
			spans, since = append(spans, Span{since, e.at}), time.Time{}
		}
	}
	if !since.IsZero() {
		spans = append(spans, Span{since, since.AddDate(100, 0, 0)})
	}
	return spans
}

// Beside returns the longest part of a wait in which there was a slot free for it and no part of the system was away. Before
// its workspace's limit is on record there was none.
func (j *Judge) Beside(w Wait) (longest Span) {
	moments := []time.Time{w.From, w.To}
	note := func(at time.Time) {
		if at.After(w.From) && at.Before(w.To) {
			moments = append(moments, at)
		}
	}
	for _, h := range j.held[w.Workspace] {
		note(h.From)
		note(h.To)
	}
	for _, s := range j.closed {
		note(s.From)
		note(s.To)
	}
	for _, at := range j.changed {
		note(at)
	}
	slices.SortFunc(moments, time.Time.Compare)
	var current Span
	for i, from := range moments[:len(moments)-1] {
		to := moments[i+1]
		if !j.free(w.Workspace, from, to) {
			current = Span{}
			continue
		}
		if current.From.IsZero() {
			current.From = from
		}
		if current.To = to; current.length() > longest.length() {
			longest = current
		}
	}
	return longest
}

// free tells whether the workspace had a free slot all the time between two moments, between which nothing changed.
func (j *Judge) free(workspace uuid.UUID, from, to time.Time) bool {
	if slices.ContainsFunc(j.closed, func(s Span) bool { return !s.From.After(from) && !s.To.Before(to) }) {
		return false
	}
	used := 0
	for _, h := range j.held[workspace] {
		if !h.From.After(from) && (h.To.IsZero() || !h.To.Before(to)) {
			used++
		}
	}
	lowest, _, known := j.limits.Between(workspace, from, to)
	return known && used < lowest
}
