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
	// Reserved is how much of its nominal quota it does not lend to its cohort, even while it is idle.
	Reserved int
	Paused   bool // it may start nothing
	Used     int  // slots it holds; may exceed its quota after a cut
	Ready    int  // items that could start now
	// Idle is a workspace that nothing waits for. The policy has to see it for as long as it is Ahead somewhere.
	Idle bool
	// Since is when the oldest of them became available: of workspaces that are due alike, the one that has waited longest goes first.
	Since time.Time
	// Cost is what its next start is taken to cost, before its weight; zero: Stride.
	Cost VirtualTime
	Tags
	Places
	Rate
	Bucket
	held [classes]Held
}

func (w *Workspace) cost() VirtualTime {
	if w.Cost <= 0 {
		return Stride
	}
	return min(w.Cost, mostCost)
}

// mostCost is the most that one start costs: a whole batch of such does not overflow.
const mostCost = Stride << 17

// NoCohort is the cohort of a workspace that shares its quota with no other.
const NoCohort = -1

// Cohort is a group of workspaces that lend one another what they leave idle. Its pool is the sum over all its members,
// with a backlog or not: Limit of what they lend of their nominal quotas, Used of the slots that they hold beyond what they
// reserve (Pooled). Its weight is the sum of theirs.
type Cohort struct {
	Name string
	Pool
	Weight int
	Tags   // where the cohort stands among those outside of it
	Places
	Clocks Clocks // the present within it
	active Weights
	held   [classes]Held
	full   [classes]Held // of its members that are Full
}

// Input is the state of everything at one moment.
type Input struct {
	Now        time.Time
	Batch      int  // the most starts to decide on
	Global     Pool // of all workspaces together
	Clocks     Clocks
	Cohorts    []Cohort
	Workspaces []Workspace
	// CountsSlotTime is set where what is shared is the time for which slots are held, and not starts. Then Pass, Start, Extend
	// and End keep the virtual times, and Charge does not.
	CountsSlotTime bool
	Longest        VirtualTime // what the longest execution of late has cost
	active         Weights     // as the last decision has found them
	held           [classes]Held
	full           [classes]Held // of those that are Full
	at             int64
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
	// Moved are the workspaces, by their places in Input.Workspaces, whose Tags or Places the decision has changed there.
	Moved   []int32
	ends    lineEnds
	cohorts []lineEnds
}

// Decide distributes at most a batch of starts. See the package for its promises. It notes in the workspaces and cohorts of the
// input which of them wait from now on, and which no longer do; to decide again on the same input gives the same.
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
