package audit

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Workflow is how Temporal answers for a workflow id.
type Workflow string

// The states of a workflow that matter here.
const (
	Open    Workflow = "open"
	Closed  Workflow = "closed"
	Missing Workflow = "missing"
)

// Sight is an item as Postgres and Temporal show it at one moment, or nearly.
type Sight struct {
	ID       uuid.UUID
	Status   string    // of the item, or of its execution when there is one; empty: there is no such item
	Slot     time.Time // when it took the slot it holds; zero: it holds none
	Workflow Workflow  // of execution-<id>
	Strays   []string  // open workflows of other ids that say they run the item
}

// Doubt is what is wrong about an item at first sight.
type Doubt struct {
	Invariant int
	Breach
	fault fault
}

// fault tells doubts apart, however they are worded: meanwhile a closed workflow may go missing.
type fault struct {
	kind string
	slot time.Time // a slot taken anew is another slot
}

// Doubts are what would break an invariant if it lasted. What Postgres knows alone is not judged: it can be asked for all of
// it at one moment.
func (s Sight) Doubts() []Doubt {
	var doubts []Doubt
	doubt := func(invariant int, f fault, format string, args ...any) {
		doubts = append(doubts, Doubt{invariant, Breach{s.ID, fmt.Sprintf(format, args...)}, f})
	}
	if s.Workflow == Open && s.Status != "CLAIMED" && s.Status != "RUNNING" {
		status := s.Status
		if status == "" {
			status = "unknown"
		}
		doubt(Place, fault{kind: "place"}, "its workflow is open, but it is %s", status)
	}
	for _, stray := range s.Strays {
		doubt(Place, fault{kind: "stray " + stray}, "another workflow runs it: %s", stray)
	}
	if s.Workflow == Open && s.Slot.IsZero() {
		doubt(Slot, fault{kind: "no slot"}, "its workflow is open, but it holds no slot")
	}
	if s.Workflow != Open && !s.Slot.IsZero() {
		doubt(Slot, fault{kind: "leak", slot: s.Slot}, "it holds a slot, but its workflow is %s", s.Workflow)
	}
	return doubts
}

// Lasting are the doubts about an item that are there at both sights.
func Lasting(first, second Sight) []Doubt {
	earlier := map[fault]bool{}
	for _, d := range first.Doubts() {
		earlier[d.fault] = true
	}
	var lasting []Doubt
	for _, d := range second.Doubts() {
		if earlier[d.fault] {
			lasting = append(lasting, d)
		}
	}
	return lasting
}
