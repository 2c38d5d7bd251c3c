package series

import (
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/store/facts"
	"sluice/internal/store/figures"
	"sluice/workflows"
)

const (
	// Step is the time that one point of the history stands for, Steps how many there are.
	Step  = 5 * time.Second
	Steps = 180
	// RateOver is the time over which a rate is taken.
	RateOver = time.Minute
)

// Window is how far back the history goes.
const Window = Steps * Step

// Snapshot is how everything was at one moment. It is shared: nobody changes it.
type Snapshot struct {
	At          time.Time     // by the database's clock
	Took        time.Duration // to read it
	Workspaces  []Workspace   // by name
	Plans       []Plan        // smallest first
	Global      *int          // what all workspaces together may hold; nil: not bounded
	Pending     int
	Running     int // slots held
	Unserved    int // executions that no worker carries on
	Unanswered  int // claims whose start has got no usable answer
	Longest     time.Duration
	LongestOf   uuid.UUID // whose item that is
	Reasons     map[admission.Reason]int
	Dispatchers []Dispatcher
	Workers     []figures.Worker
	Failing     *facts.Failing // recovery; nil: it does its work
	Stuck       []facts.UnservedExecution
	Missing     []facts.MissingType
	Points      []Point // the history, oldest first; the last is not over

	taken time.Time // At, by this process' clock
}

// Now is what the database's clock shows now.
func (s *Snapshot) Now() time.Time { return s.At.Add(time.Since(s.taken)) }

// Workspace is one with what it waits for.
type Workspace struct {
	figures.Usage
	Reason  admission.Reason // why its ready items wait, or its executions; empty: nothing keeps them
	Longest time.Duration    // for which the oldest ready item has waited
	Starts  int              // in the last RateOver
	Failed  int              // executions that have FAILED or TIMED_OUT in the last Window
}

// Plan is all workspaces of a plan.
type Plan struct {
	Plan             string
	Limit            int // of each
	Workspaces       int
	Pending, Running int
	Slots            int // the sum of what they may hold
	Starts           int // in the last RateOver
	Waits            int // of so many starts, in the last Window, are P50 and P99
	P50, P99         time.Duration
	Longest          time.Duration
	StartsIn         []int // each point of the history
}

// Dispatcher is that of one shard. Status is nil where it did not answer; Error then says why.
type Dispatcher struct {
	Shard  int
	Status *workflows.Status
	Error  string
}

// Point is what happened in one step of the history, and how it was at its end.
type Point struct {
	At                    time.Time // when it began
	Known                 bool      // what happened
	Starts, Ended, Failed int
	Sampled               bool                     // Reasons and Longest are known
	Level                 bool                     // Backlog and Running are known, or worked out
	Backlog, Running      int                      //
	Longest               time.Duration            //
	Reasons               map[admission.Reason]int // workspaces
}

// Find returns a workspace.
func (s *Snapshot) Find(id uuid.UUID) (w Workspace, found bool) {
	for i := range s.Workspaces {
		if s.Workspaces[i].ID == id {
			return s.Workspaces[i], true
		}
	}
	return w, false
}

// Paused returns the first dispatcher that an operator has paused, nil if there is none.
func (s *Snapshot) Paused() *Dispatcher {
	for i, d := range s.Dispatchers {
		if d.Status != nil && d.Status.Pause != nil {
			return &s.Dispatchers[i]
		}
	}
	return nil
}
