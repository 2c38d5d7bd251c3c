package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// GlobalChange is a recorded change of what all workspaces together may hold; Limit nil: there is none. Before the
// first one there was none.
type GlobalChange struct {
	At    time.Time
	Limit *int
}

// Shared is the history of the limits that several workspaces share: the global limit, and of each cohort the sum of its
// members' nominal quotas. It is a list of what changed, by time.
type Shared []shift

// shift is a change of what a workspace brings into a pool. The global limit is what uuid.Nil brings into that of the fleet.
type shift struct {
	at       time.Time
	member   uuid.UUID
	from, to share
}

// share is what a workspace brings into a pool, with the slots it holds.
type share struct {
	pool  string // a cohort, or fleet
	in    bool   // false: it is in none
	quota int
	open  bool // what it brings has no limit, or none on record: then neither has the pool
}

// fleet is the pool of all workspaces; cohorts have longer names.
const fleet = ""

// NewShared works out the history. A cohort with a member whose plan's limits are not on record is not judged meanwhile.
func NewShared(changes []Change, global []GlobalChange) Shared {
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b Change) int { return a.At.Compare(b.At) })
	var history Shared
	plans, workspaces, shares := map[string]Change{}, map[uuid.UUID]Change{}, map[uuid.UUID]share{}
	move := func(at time.Time, member uuid.UUID, to share) {
		if from := shares[member]; from != to {
			history = append(history, shift{at, member, from, to})
			shares[member] = to
		}
	}
	for _, c := range changes {
		if c.Workspace != uuid.Nil {
			workspaces[c.Workspace] = c
			move(c.At, c.Workspace, c.share(plans))
			continue
		}
		plans[c.Plan] = c
		for id, w := range workspaces {
			if w.Plan == c.Plan {
				move(c.At, id, w.share(plans))
			}
		}
	}
	shares[uuid.Nil] = unbounded
	for _, c := range global {
		to := unbounded
		if c.Limit != nil {
			to = share{pool: fleet, in: true, quota: *c.Limit}
		}
		move(c.At, uuid.Nil, to)
	}
	slices.SortStableFunc(history, func(a, b shift) int { return a.at.Compare(b.at) })
	return history
}

var unbounded = share{pool: fleet, in: true, open: true}

// share is what a workspace brings into its cohort: as the view sluice.quotas has it.
func (c Change) share(plans map[string]Change) share {
	plan, known := plans[c.Plan]
	switch {
	case c.Cohort == "":
		return share{}
	case !known && (c.Override == nil || c.Nominal == nil):
		return share{pool: c.Cohort, in: true, open: true}
	}
	ceiling := *cmp.Or(c.Override, &plan.Limit)
	return share{pool: c.Cohort, in: true, quota: min(*cmp.Or(c.Nominal, plan.Nominal, &ceiling), ceiling)}
}
