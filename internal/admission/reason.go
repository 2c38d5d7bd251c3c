package admission

// Reason says why ready items of a workspace wait. The same word stands in log, metric, CLI and Web UI.
type Reason string

// The reasons.
const (
	AtCapacity Reason = "at-capacity" // it holds all the slots its tier allows
	BatchFull  Reason = "batch-full"  // others were dealt first; its turn comes in the next cycle
	Scheduled  Reason = "scheduled"   // none of its items is available yet
)

// Reasons lists them all.
func Reasons() []Reason { return []Reason{AtCapacity, BatchFull, Scheduled} }
