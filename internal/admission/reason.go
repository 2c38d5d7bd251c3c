package admission

// Reason says why items of a workspace wait. The same word stands in log, metric, CLI and Web UI.
type Reason string

// The reasons. Where several hold, a workspace is given the first of them in this order: what an operator has decided comes before its own
// limits, and these before those that it shares with others. Where executions of it are not carried on or started, which is not for the
// policy to know, that stands behind Paused.
const (
	Scheduled   Reason = "scheduled"    // none of its items is available yet
	Paused      Reason = "paused"       // an operator has paused it, or all of them, or the types and definitions of all that is ready
	AtCapacity  Reason = "at-capacity"  // it holds all the slots its plan, or its own limit, allows
	BorrowLimit Reason = "borrow-limit" // it holds its nominal quota, and has borrowed as much as it may
	RateLimited Reason = "rate-limited" // it has started as often as it may for now
	CohortLimit Reason = "cohort-limit" // the members of its cohort use all that the cohort has
	GlobalLimit Reason = "global-limit" // all workspaces together hold as much as they may
	BatchFull   Reason = "batch-full"   // others came first; its turn comes in one of the next cycles
	// BehindPriority is for a single item, whose workspace may start something: others of its items go first, by Due.
	BehindPriority Reason = "behind-priority"
)

// Reasons lists those that a decision gives.
func Reasons() []Reason { return append([]Reason{}, reasons[:]...) }

// Cause is a reason that can be counted without a map: its place in reasons.
type Cause uint8

const (
	scheduled Cause = iota
	paused
	atCapacity
	borrowLimit
	rateLimited
	cohortLimit
	globalLimit
	batchFull
	causes
)

// NoCause says that nothing waits.
const NoCause = causes

// Reason is the word for a cause, empty for NoCause.
func (c Cause) Reason() Reason {
	if c >= causes {
		return ""
	}
	return reasons[c]
}

var reasons = [causes]Reason{Scheduled, Paused, AtCapacity, BorrowLimit, RateLimited, CohortLimit, GlobalLimit, BatchFull}

// Kept is what keeps the items that the decision on this input has left to the workspace at a place. It differs from Why where the workspace
// was granted something, and is asked about one of them, so that it costs no more than a look.
func (d *Decider) Kept(in *Input, i int) Cause {
	r := &d.round
	m, granted := &r.roster.all[i], int(r.granted[i])
	switch {
	case m.all == 0: // it has no room, or no items
		return m.why
	case granted > 0:
		w := &in.Workspaces[i]
		if granted == w.Ready {
			return NoCause
		}
		if room, why := w.alone(in.Now, granted); room == 0 {
			return why
		}
	}
	if m.cohort != NoCohort && r.cohorts[m.cohort].free == 0 && r.reserve(int32(i)) <= 0 {
		return cohortLimit
	}
	return together(r.global)
}

// Why says, for each workspace, why a decision on this input granted it nothing; empty where it was granted something.
func (in *Input) Why(d Decision) []Reason {
	granted, global := make([]int, len(in.Workspaces)), in.Global.free()
	cohorts := make([]int, len(in.Cohorts))
	for i := range in.Cohorts {
		cohorts[i] = in.Cohorts[i].free()
	}
	for _, g := range d.Grants {
		granted[g.Workspace] = g.Slots
		global -= g.Slots
		if c := in.Workspaces[g.Workspace].Cohort; c != NoCohort {
			w := &in.Workspaces[g.Workspace]
			cohorts[c] -= w.pooled(w.Used+g.Slots) - w.pooled(w.Used)
		}
	}
	why := make([]Reason, len(in.Workspaces))
	for i := range in.Workspaces {
		w := &in.Workspaces[i]
		room, cause := w.alone(in.Now, 0)
		switch {
		case granted[i] > 0 || w.Idle:
			continue
		case room == 0:
		case w.Cohort != NoCohort && cohorts[w.Cohort] == 0 && w.reserve(w.Used) == 0:
			cause = cohortLimit
		default:
			cause = together(global)
		}
		why[i] = reasons[cause]
	}
	return why
}
