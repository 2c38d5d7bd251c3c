package estimate

import (
	"sort"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
)

// Snapshot is what is known at one moment.
type Snapshot struct {
	// Input is the state of the policy: of all workspaces that wait, hold slots, or have had arrivals of late. Their Ready is what of Line is
	// ready; what they hold is Held.
	Input      admission.Input
	AgeingStep time.Duration
	Workspaces []Workspace // as Input.Workspaces
	Fleet      Durations   // of all workspaces
	Longest    time.Duration
	// PerSecond is how many starts a second the dispatcher has been seen to make; zero: not known.
	PerSecond float64
	// Turnaround is how long a slot is free between two executions, see Turnaround.
	Turnaround time.Duration
}

// Workspace is what is known of a workspace beside its state.
type Workspace struct {
	Line      []Place // some places of its line, in order, the last one among them; its ready items only
	Held      []Slot
	More      bool // the line is longer than that
	Durations Durations
	Expected  time.Duration // what a start is charged; zero: not known
	Arrivals  Arrivals
}

// Place is an item in the line of its workspace.
type Place struct {
	Number int           // from 1 on
	Due    time.Duration // from now on, see admission.Due; below zero for most
	ID     uuid.UUID     // of those that are due alike the least goes first
}

// Slot is a slot that is held.
type Slot struct {
	Age   time.Duration // how long by now
	Stuck bool          // no worker carries it on, so it is not known to end
}

// Why says why there is no interval. The other words are those of package admission.
const (
	NoDurations = "no-durations" // nothing has ended yet that could tell how long executions take
	TooFar      = "too-far"      // beyond what is played
	Unserved    = "unserved"     // executions that no worker carries on hold the slots
	NoCapacity  = "no-capacity"  // it may hold no slot at all
)

// Curve tells when the items of a workspace start.
type Curve struct {
	Points []Point // by Due
	Why    string  // why there is nothing to be said behind the last of them; empty: there is nothing behind it
}

// Point is an item that is due at a time, and the interval in which it starts, all from now on. One that is yet to arrive has the highest id.
type Point struct {
	Due, After, Before time.Duration
	ID                 uuid.UUID
}

// LinePlaces are the places of a line of which a snapshot knows: of the first ten each, and then each at most a fifth farther than the one
// before it, beside the last and those before and behind a gap in the times at which items are due, see Gaps.
func LinePlaces(n int) (places []int) {
	for at := 1; at < n; at += max(1, at/5) {
		places = append(places, at)
	}
	if n > 0 {
		places = append(places, n)
	}
	return places
}

// Gaps is how many of the longest gaps a line can have: one is longer than the whole by so much. Between two priorities there is one; a curve
// that were interpolated across it would tell of the items behind it as of the next place that is known.
const Gaps = 16

// At is the interval in which an item starts that is due at a time; why says why there is none.
func (c *Curve) At(due time.Duration) (after, before time.Duration, why string) {
	n := sort.Search(len(c.Points), func(i int) bool { return c.Points[i].Due >= due })
	switch {
	case n == len(c.Points):
		return 0, 0, c.Why
	case n == 0 || c.Points[n].Due == due:
		return c.Points[n].After, c.Points[n].Before, ""
	}
	a, b := c.Points[n-1], c.Points[n]
	part := float64(due-a.Due) / float64(b.Due-a.Due)
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(part*float64(to-from)) }
	return between(a.After, b.After), between(a.Before, b.Before), ""
}
