package audit

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Reopening is a slot given back to an execution because Temporal ran it: after a reset, or after a start that seemed
// to have failed.
type Reopening struct {
	ID     uuid.UUID
	At     time.Time
	Before time.Time // when the execution had ended; zero: it had not begun
}

// WithReopenings splits the time for which executions held a slot where it was interrupted. What Temporal runs is not
// admitted by a claim, so the parts that begin with a reopening count as usage and are not judged as claims.
func WithReopenings(held []Held, reopenings []Reopening) (parts []Held) {
	of := byExecution(reopenings)
	for _, h := range held {
		parts = append(parts, split(h, of[h.ID])...)
	}
	return parts
}

// byExecution has the reopenings of each execution in order.
func byExecution(reopenings []Reopening) map[uuid.UUID][]Reopening {
	of := map[uuid.UUID][]Reopening{}
	for _, r := range reopenings {
		of[r.ID] = append(of[r.ID], r)
	}
	for _, r := range of {
		slices.SortFunc(r, func(a, b Reopening) int { return a.At.Compare(b.At) })
	}
	return of
}

// commits is how long a reopening may take from the time that is on record of it to its turn of the journal, which comes with its commit. A
// claim in between has taken the turn before, when the slot was free.
const commits = 500 * time.Millisecond

func split(h Held, reopenings []Reopening) (parts []Held) {
	end := h.To
	for _, r := range reopenings {
		if r.Before.IsZero() {
			h.Reopened = true
			continue
		}
		h.To = r.Before
		parts = append(parts, h)
		h.From, h.To, h.Reopened = r.At.Add(commits), end, true
		if !end.IsZero() && h.From.After(end) {
			h.From = end
		}
	}
	return append(parts, h)
}
