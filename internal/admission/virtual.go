package admission

// VirtualTime counts the starts that the ideal schedule gives a workspace of weight 1, in units of 1/Stride. It lasts
// for eight billion of them, so it is never set back.
type VirtualTime int64

// Stride is what one start costs a workspace of weight 1.
const Stride VirtualTime = 1 << 30

// farthest is as far as a virtual time on record may lie from zero: what is added to it cannot overflow.
const farthest VirtualTime = 1 << 61

// Recorded is a virtual time that is on record. One that nothing can have counted up to counts as the farthest there is.
func Recorded(t int64) VirtualTime { return min(max(VirtualTime(t), -farthest), farthest) }

// Price is what one start costs at a weight, and how far it moves the clock of workspaces that have this weight together.
func Price(weight int) VirtualTime { return max(1, Stride/VirtualTime(max(1, weight))) }

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

// Weights are the sums of the weights of all that stand in the two lines.
type Weights [classes]int

// standing is the tag that counts at a clock. None is more than one start behind: a workspace that had nothing to start
// gets no credit for that time. And none is more than one ahead, which mends tags from another clock (after a change of
// cohort) or weight.
func standing(tag, clock, price VirtualTime) VirtualTime {
	return min(max(tag, clock-price), clock+price)
}
