package admission

// VirtualTime counts what the ideal schedule gives a workspace of weight 1, in units of 1/Stride of a start.
type VirtualTime int64

// Stride is what one start costs a workspace of weight 1.
const Stride VirtualTime = 1 << 30

// farthest is as far as a virtual time on record may lie from zero: what is added to it cannot overflow.
const farthest VirtualTime = 1 << 61

// Recorded is a virtual time that is on record. One that nothing can have counted up to counts as the farthest there is.
func Recorded(t int64) VirtualTime { return min(max(VirtualTime(t), -farthest), farthest) }

// RecordedClock is a clock that is on record. One that has come so far that it might run over begins anew: for it all tags are
// another clock's.
func RecordedClock(t int64) VirtualTime {
	if c := Recorded(t); c > -latestClock && c < latestClock {
		return c
	}
	return 0
}

// latestClock is when a clock begins anew.
const latestClock VirtualTime = 1 << 60

// Late tells whether a clock should begin anew.
func (in *Input) Late() bool {
	late := func(c Clocks) bool { return max(c[Own], c[Borrowed]) >= latestClock }
	for i := range in.Cohorts {
		if late(in.Cohorts[i].Clocks) {
			return true
		}
	}
	return late(in.Clocks)
}

// Price is what one start costs at a weight.
func Price(weight int) VirtualTime { return shared(Stride, weight) }

// shared is a cost as it moves the virtual time of so much weight: the tag of a workspace, or the clock of all together.
func shared(cost VirtualTime, weight int) VirtualTime { return max(1, perWeight(cost, weight)) }

// perWeight is the same for a cost that may be nothing, or given back.
func perWeight(cost VirtualTime, weight int) VirtualTime { return cost / VirtualTime(max(1, weight)) }

// Class says what a start is taken from. Each class is a line of its own, so everything below exists twice.
type Class int

// The classes, in the order in which they are served.
const (
	Own      Class = iota // within the guaranteed share
	Borrowed              // above it, from what others leave idle
	classes
)

// Tags are where a workspace or a cohort stands in the two lines: the virtual time at which its next start is due to begin.
type Tags [classes]VirtualTime

// Clocks are the present of the two lines: how far the ideal schedule has come.
type Clocks [classes]VirtualTime

// Weights are the sums of the weights of all to whom the ideal schedule of each line gives something.
type Weights [classes]int
