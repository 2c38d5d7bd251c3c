package admission

// Reason says why items of a workspace wait. The same word stands in log, metric, CLI and Web UI.
type Reason string

// The reasons. Where several hold, a workspace is given the first of them in this order: its own limits come before those
// that it shares with others.
const (
	Scheduled   Reason = "scheduled"    // none of its items is available yet
	AtCapacity  Reason = "at-capacity"  // it holds all the slots its plan, or its own limit, allows
	BorrowLimit Reason = "borrow-limit" // it holds its nominal quota, and has borrowed as much as it may
	RateLimited Reason = "rate-limited" // it has started as often as it may for now
	CohortLimit Reason = "cohort-limit" // the members of its cohort use all that the cohort has
	GlobalLimit Reason = "global-limit" // all workspaces together hold as much as they may
	BatchFull   Reason = "batch-full"   // others came first; its turn comes in one of the next cycles
	// BehindPriority is for a single item, whose workspace may start something: others of its items go first, by Due.
	BehindPriority Reason = "behind-priority"
	// Paused is not the policy's to give: while the dispatcher is paused it is not asked.
	Paused Reason = "paused"
)

// Reasons lists those that a decision gives.
func Reasons() []Reason { return append([]Reason{}, reasons[:]...) }

// cause is a reason that can be counted without a map: its place in reasons.
type cause uint8

const (
	scheduled cause = iota
	atCapacity
	borrowLimit
	rateLimited
	cohortLimit
	globalLimit
	batchFull
	causes
)

var reasons = [causes]Reason{Scheduled, AtCapacity, BorrowLimit, RateLimited, CohortLimit, GlobalLimit, BatchFull}

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
			cohorts[c] -= g.Slots
		}
	}
	why := make([]Reason, len(in.Workspaces))
	for i := range in.Workspaces {
		w := &in.Workspaces[i]
		room, cause := w.alone(in.Now, 0)
		switch {
		case granted[i] > 0:
			continue
		case room == 0:
		case w.Cohort != NoCohort && cohorts[w.Cohort] == 0:
			cause = cohortLimit
		default:
			cause = together(global)
		}
		why[i] = reasons[cause]
	}
	return why
}
