package audit

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Change is a recorded change of a limit: of what a plan allows, or, with a Workspace, of the plan it is on.
type Change struct {
	At        time.Time
	Workspace uuid.UUID // nil: the plan's limit has changed
	Plan      string
	Limit     int  // of the plan, when its limit has changed
	Override  *int // of the workspace, instead of its plan's; nil: none
	// Nominal is the nominal quota, of the plan or of the workspace instead of its plan's; nil: all that it may hold.
	Nominal *int
	Cohort  string // of the workspace; empty: none
}

// Limits is the history of every workspace's limit.
type Limits map[uuid.UUID][]era

// era is a limit and since when it is in force, until the next.
type era struct {
	from  time.Time
	limit int
	known bool // false: the workspace is on a plan whose limit is not on record
}

// NewLimits works out the history from the changes. A workspace's begins when it has a limit of its own, or both its
// plan and that plan's limit are on record.
func NewLimits(changes []Change) Limits {
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b Change) int { return a.At.Compare(b.At) })
	history, allowed, on := Limits{}, map[string]int{}, map[uuid.UUID]string{} // on: those that their plan limits
	for _, c := range changes {
		if c.Workspace != uuid.Nil {
			on[c.Workspace] = c.Plan
			limit, known := allowed[c.Plan]
			if c.Override != nil {
				delete(on, c.Workspace)
				limit, known = *c.Override, true
			}
			history[c.Workspace] = append(history[c.Workspace], era{c.At, limit, known})
			continue
		}
		allowed[c.Plan] = c.Limit
		for workspace, plan := range on {
			if plan == c.Plan {
				history[workspace] = append(history[workspace], era{c.At, c.Limit, true})
			}
		}
	}
	return history
}

// Between returns the lowest and the highest limit in force at any time from one moment to another, both included. It
// is not known before the history begins; a time that is known in part is judged by that part.
func (l Limits) Between(workspace uuid.UUID, from, to time.Time) (lowest, highest int, known bool) {
	eras := l[workspace]
	for i, e := range eras {
		over := i+1 < len(eras) && (!eras[i+1].from.After(from) || eras[i+1].from.Equal(e.from))
		if !e.known || over || e.from.After(to) {
			continue
		}
		if !known {
			lowest, highest, known = e.limit, e.limit, true
		}
		lowest, highest = min(lowest, e.limit), max(highest, e.limit)
	}
	return lowest, highest, known
}
