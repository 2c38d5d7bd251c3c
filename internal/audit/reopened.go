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
func WithReopenings(held []Held, reopenings []Reopening) []Held {
	of := map[uuid.UUID][]Reopening{}
	for _, r := range reopenings {
		of[r.ID] = append(of[r.ID], r)
	}
	var split []Held
	for _, h := range held {
		parts := of[h.ID]
		slices.SortFunc(parts, func(a, b Reopening) int { return a.At.Compare(b.At) })
		end := h.To
		for _, r := range parts {
			if r.Before.IsZero() {
				h.Reopened = true
				continue
			}
			h.To = r.Before
			split = append(split, h)
			h.From, h.To, h.Reopened = r.At, end, true
		}
		split = append(split, h)
	}
	return split
}
