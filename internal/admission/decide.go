package admission

import (
	"time"

	"github.com/google/uuid"
)

// Workspace is what the policy knows of one workspace with a backlog.
type Workspace struct {
	ID     uuid.UUID
	Cohort int // its place in Input.Cohorts, or NoCohort
	Weight int // its share against others when not all can be served; at least 1
	Quota
	Used  int // slots it holds; may exceed its quota after a cut
	Ready int // items that could start now
	// Since is when the oldest of them became available: of workspaces that are due alike, the one that has waited longest goes first.
	Since time.Time
	Tags
	Rate
	Bucket
}

// NoCohort is the cohort of a workspace that shares its quota with no other.
const NoCohort = -1

// Cohort is a group of workspaces that lend one another what they leave idle. Its pool is the sum over all its members,
// with a backlog or not: Limit of their nominal quotas, Used of their slots. Its weight is the sum of theirs.
type Cohort struct {
	Name string
	Pool
	Weight int
	Tags          // where the cohort stands among those outside of it
	Clocks Clocks // the present within it
}

// Input is the state of everything at one moment.
type Input struct {
	Now        time.Time
	Batch      int  // the most starts to decide on
	Global     Pool // of all workspaces together
	Clocks     Clocks
	Cohorts    []Cohort
	Workspaces []Workspace
}

// Grant allows a workspace some more starts, decided under Limit, its ceiling.
type Grant struct {
	Workspace int // its place in Input.Workspaces
	ID        uuid.UUID
	Slots     int
	Limit     int
}

// Decision is the outcome of one cycle's policy.
type Decision struct {
	Grants []Grant // in the order of their first starts
	// Waiting counts the workspaces that were granted nothing, by reason. Input.Why tells it of each.
	Waiting map[Reason]int
	// RateDue is how long until a workspace that only its rate keeps from a next start may make it; zero when there is none.
	RateDue time.Duration
	// Contended tells whether a workspace could have taken another start if it were the only one. If not, each has
	// what it asked for, nothing is owed to any of them, and the starts cost no virtual time.
	Contended bool
	// Weights are the sums of the weights of all that could have taken a start, and CohortWeights the same within each
	// cohort of the input: what Charge needs to move the clocks.
	Weights       Weights
	CohortWeights []Weights
}

// Decide distributes at most a batch of starts. See the package for its promises.
func Decide(in Input) Decision { return new(Decider).Decide(in) }

// Decider decides as Decide does, and keeps the memory it needs for that, so that one decision after the other makes no
// garbage. The zero Decider is ready; it makes one decision at a time.
type Decider struct{ round round }

// Decide distributes at most a batch of starts.
func (d *Decider) Decide(in Input) Decision {
	d.round.roster.begin(&in)
	return d.decide(in)
}

// DecideAgain is Decide for an input whose workspaces are those of the Decider's last decision, but for those at the places
// that have changed and those that were added or taken away at the end: it looks closely at them only.
func (d *Decider) DecideAgain(in Input, changed []int32) Decision {
	d.round.roster.goOn(&in, changed)
	return d.decide(in)
}

func (d *Decider) decide(in Input) Decision {
	r := &d.round
	r.begin(in)
	for class := range classes {
		r.gather(class)
		r.deal()
	}
	decision := r.decision()
	r.in = Input{}
	return decision
}
