package facts

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// LimitChange is a change of what a plan allows, or, with a WorkspaceID, of the plan a workspace is on.
type LimitChange struct {
	At          time.Time
	WorkspaceID *uuid.UUID
	Plan        string
	Limit       int     // of the plan, when its limit has changed
	Override    *int    // of the workspace instead of its plan's
	Nominal     *int    // nominal quota of the plan, or of the workspace instead; nil: all that it may hold
	Cohort      *string // of the workspace
}

// GlobalLimitChange is a change of what all workspaces together may hold; Limit nil: it is not bounded.
type GlobalLimitChange struct {
	At    time.Time
	Limit *int
}

var (
	limitChangesSQL       = load("limit_changes")
	globalLimitChangesSQL = load("global_limit_changes")
)

// LimitChanges is the history of all limits, oldest first. Each change was in force from its time on; what was in force
// before the first is not known.
func LimitChanges(ctx context.Context, db store.DB) ([]LimitChange, error) {
	records, err := store.Collect[limitRecord](ctx, db, limitChangesSQL)
	return inForce(records), store.Wrap(err, "read history of limits")
}

// GlobalLimitChanges is the history of the global limit, oldest first. Before the first change nothing was bounded.
func GlobalLimitChanges(ctx context.Context, db store.DB) ([]GlobalLimitChange, error) {
	changes, err := store.Collect[GlobalLimitChange](ctx, db, globalLimitChangesSQL)
	return changes, store.Wrap(err, "read history of the global limit")
}

// limitRecord is a change as it is on record: of a plan, of a workspace, or of a limit that holds for a time beside these.
type limitRecord struct {
	LimitChange
	Passing      string     // the limit that is set for a time, or that is no more; empty: another change
	PassingTo    *int       // nil: it is no more
	PassingUntil *time.Time // when it ends by itself
}

// passing is a limit of a workspace that holds for a time.
type passing struct {
	workspace uuid.UUID
	limit     string
	to        int
	until     time.Time
}

// inForce makes of the record what was in force: a limit for a time covers what is set for good, until it ends by itself or somebody
// ends it.
func inForce(records []limitRecord) []LimitChange {
	h := limitHistory{forGood: map[uuid.UUID]LimitChange{}, passing: map[[2]string]passing{}}
	var ends []passing // those that have been set and are still to come, the first to end first
	endedBy := func(at time.Time) {
		for len(ends) > 0 && !ends[0].until.After(at) {
			h.end(ends[0])
			ends = ends[1:]
		}
	}
	for _, r := range records {
		endedBy(r.At)
		if p, ok := h.add(r); ok {
			at, _ := slices.BinarySearchFunc(ends, p.until, func(e passing, until time.Time) int { return e.until.Compare(until) })
			ends = slices.Insert(ends, at, p)
		}
	}
	for _, p := range ends {
		h.end(p)
	}
	return h.changes
}

// limitHistory is what is in force at a moment, and all that was until then.
type limitHistory struct {
	forGood map[uuid.UUID]LimitChange
	passing map[[2]string]passing // by workspace and limit
	changes []LimitChange
}

// add takes a record in, and returns the limit that it has set for a time.
func (h *limitHistory) add(r limitRecord) (set passing, isSet bool) {
	if r.WorkspaceID == nil {
		h.changes = append(h.changes, r.LimitChange)
		return set, false
	}
	if r.Passing == "" {
		h.forGood[*r.WorkspaceID] = r.LimitChange
	} else if key := [2]string{r.WorkspaceID.String(), r.Passing}; r.PassingTo == nil || r.PassingUntil == nil {
		delete(h.passing, key)
	} else {
		set, isSet = passing{*r.WorkspaceID, r.Passing, *r.PassingTo, *r.PassingUntil}, true
		h.passing[key] = set
	}
	h.note(*r.WorkspaceID, r.At)
	return set, isSet
}

// end has a limit for a time end by itself, unless it has been ended or replaced before.
func (h *limitHistory) end(p passing) {
	if key := [2]string{p.workspace.String(), p.limit}; h.passing[key] == p {
		delete(h.passing, key)
		h.note(p.workspace, p.until)
	}
}

// note adds what holds for a workspace from a moment on.
func (h *limitHistory) note(workspace uuid.UUID, at time.Time) {
	c := h.forGood[workspace]
	c.At, c.WorkspaceID = at, &workspace
	if p, ok := h.passing[[2]string{workspace.String(), "max_concurrent_workflows"}]; ok {
		c.Override = &p.to
	}
	if p, ok := h.passing[[2]string{workspace.String(), "nominal_quota"}]; ok {
		c.Nominal = &p.to
	}
	h.changes = append(h.changes, c)
}
