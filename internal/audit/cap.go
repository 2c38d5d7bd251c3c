package audit

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Held is the time for which an execution held a slot: from its claim until, and without, its outcome.
type Held struct {
	ID        uuid.UUID
	Workspace uuid.UUID
	From      time.Time
	To        time.Time // zero: it still does
	Reopened  bool      // it was not claimed, see Reopening
}

// Claims is the judgement of claims.
type Claims struct {
	Judged  int
	Unknown int // the limit then in force is not on record
	Above   []Breach
}

// JudgeClaims finds the claims since a moment after which their workspace held more than its limit. A claim is decided
// on the limit that it reads, and the change of a limit is on record just before it commits: so a claim may follow the
// highest limit that was in force within the slack before it. Of the claims of one instant, as many are above the
// limit as slots are held above it.
func JudgeClaims(held []Held, limits Limits, since time.Time, slack time.Duration) Claims {
	var c Claims
	byWorkspace := map[uuid.UUID][]Held{}
	for _, h := range held {
		if h.To.IsZero() || h.To.After(h.From) { // anything else never held a slot
			byWorkspace[h.Workspace] = append(byWorkspace[h.Workspace], h)
		}
	}
	for workspace, held := range byWorkspace {
		eachInstant(held, func(at time.Time, claims []Held, used int) {
			if at.Before(since) {
				return
			}
			claims = slices.DeleteFunc(slices.Clone(claims), func(h Held) bool { return h.Reopened })
			_, limit, known := limits.Between(workspace, at.Add(-slack), at)
			if !known {
				c.Unknown += len(claims)
				return
			}
			c.Judged += len(claims)
			for _, claim := range claims[len(claims)-min(len(claims), max(0, used-limit)):] {
				c.Above = append(c.Above, Breach{claim.ID, fmt.Sprintf(
					"claimed at %s as one of %d slots of workspace %s, whose limit was %d", at.UTC().Format(time.RFC3339Nano), used, workspace, limit)})
			}
		})
	}
	slices.SortFunc(c.Above, func(a, b Breach) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return c
}

// Peak is the most slots that were held at once at any time from one moment to another, both included.
func Peak(held []Held, from, to time.Time) (peak int) {
	eachInstant(held, func(at time.Time, _ []Held, used int) {
		if !at.Before(from) && !at.After(to) {
			peak = max(peak, used)
		}
	})
	atFrom := 0
	for _, h := range held {
		if !h.From.After(from) && (h.To.IsZero() || h.To.After(from)) {
			atFrom++
		}
	}
	return max(peak, atFrom)
}

// eachInstant visits the instants of claims in order, with the claims of that instant by id, and the slots held then.
func eachInstant(held []Held, visit func(at time.Time, claims []Held, used int)) {
	starts := slices.Clone(held)
	slices.SortFunc(starts, func(a, b Held) int {
		if order := a.From.Compare(b.From); order != 0 {
			return order
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	var ends []time.Time
	for _, h := range held {
		if !h.To.IsZero() {
			ends = append(ends, h.To)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	ended := 0
	for i := 0; i < len(starts); {
		at, next := starts[i].From, i
		for next < len(starts) && starts[next].From.Equal(at) {
			next++
		}
		for ended < len(ends) && !ends[ended].After(at) {
			ended++
		}
		visit(at, starts[i:next], next-ended)
		i = next
	}
}
