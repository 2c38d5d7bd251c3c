package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Fact is an item as Postgres has it at the end.
type Fact struct {
	ID         uuid.UUID
	Workspace  uuid.UUID
	Definition uuid.UUID
	Ticket     int    // from its input
	Status     string // of the execution if it has one, else of the item
	Reason     string // why an item that never ran ended
	// Freed is when the slot was freed of a workflow that does not say itself that it ends; zero for others. Regained says that it was
	// freed before, and then held again because the workflow was found open.
	Freed    time.Time
	Regained bool
	// ReplayOf is the item that it was enqueued to do again, by an operator; nil for those of clients.
	ReplayOf *uuid.UUID
}

// Run is one run of a workflow execution-<id>, as Temporal has it at the end.
type Run struct {
	ID    uuid.UUID // of the item, from the workflow's id
	RunID string
	Open  bool
	// Closed is when it was; zero while it is open.
	Closed time.Time
}

// Violation is a broken promise.
type Violation struct {
	Promise string
	ID      string // of an item, or of whatever it is about
	What    string
}

// The promises that only an outside observer can judge.
const (
	Kept       = "an acknowledged enqueue is never lost, and ends"
	NeverRuns  = "an enqueue that was rolled back never runs"
	OnePerKey  = "a repeated enqueue has one item"
	NoGhosts   = "nothing runs that nobody asked for"
	RunsOnce   = "an execution is started once"
	RunsAsTold = "an item runs its definition for its workspace"
	HeldToEnd  = "no slot is freed before its workflow has closed"
)

// Promises are all of them, in the order of the report.
func Promises() []string {
	return []string{Kept, NeverRuns, OnePerKey, NoGhosts, RunsOnce, RunsAsTold, HeldToEnd}
}

// final tells whether a status is an end.
func final(status string) bool {
	return slices.Contains([]string{"COMPLETED", "FAILED", "CANCELLED", "TERMINATED", "TIMED_OUT", "EXPIRED"}, status)
}

// Judge compares what was promised with what is there, after everything had the time to end.
func (l *Ledger) Judge(facts []Fact, runs []Run) []Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []Violation
	broken := func(promise string, id any, format string, args ...any) {
		found = append(found, Violation{promise, fmt.Sprint(id), fmt.Sprintf(format, args...)})
	}
	known := map[uuid.UUID]bool{}
	of := make([][]Fact, len(l.entries))
	for _, f := range facts {
		known[f.ID] = true
		if f.Ticket < 0 || f.Ticket >= len(l.entries) {
			broken(NoGhosts, f.ID, "the item is %s and has no ticket of ours (%d)", f.Status, f.Ticket)
			continue
		}
		of[f.Ticket] = append(of[f.Ticket], f)
	}
	for number, e := range l.entries {
		e.judge(of[number], broken)
	}
	l.judgeRuns(runs, known, broken)
	l.judgeSlots(facts, runs, broken)
	return found
}

// judge compares one ticket with its items.
func (e *entry) judge(items []Fact, broken func(promise string, id any, format string, args ...any)) {
	if e.rolledBack {
		for _, f := range items {
			broken(NeverRuns, f.ID, "ticket %d was rolled back, but its item is %s", e.Number, f.Status)
		}
		return
	}
	answers := e.ids()
	all := items
	items = slices.DeleteFunc(slices.Clone(items), func(f Fact) bool { return f.ReplayOf != nil })
	if len(answers) > 1 || len(items) > 1 {
		broken(OnePerKey, append(answers, uuid.Nil)[0], "ticket %d (key %q) was answered with %v and has %d items", e.Number, e.Key, answers, len(items))
	}
	for _, id := range answers {
		if !slices.ContainsFunc(items, func(f Fact) bool { return f.ID == id }) {
			broken(Kept, id, "ticket %d was acknowledged with this id, but the item is nowhere", e.Number)
		}
	}
	for _, f := range all {
		if len(answers) > 0 && !e.answers[f.ID] && f.ReplayOf == nil {
			broken(NoGhosts, f.ID, "ticket %d was answered with %v, but this item is there too", e.Number, answers)
		}
		if f.Workspace != e.Workspace || f.Definition != e.Definition {
			broken(RunsAsTold, f.ID, "ticket %d was for definition %s of workspace %s, the item has %s and %s", e.Number, e.Definition, e.Workspace, f.Definition, f.Workspace)
		}
		switch {
		case !final(f.Status):
			broken(Kept, f.ID, "ticket %d has not ended: it is %s", e.Number, f.Status)
		case f.Status == "EXPIRED" && f.Reason == "":
			broken(Kept, f.ID, "ticket %d is EXPIRED without a reason", e.Number)
		}
	}
}

// judgeRuns compares the workflows with the items.
func (l *Ledger) judgeRuns(runs []Run, known map[uuid.UUID]bool, broken func(promise string, id any, format string, args ...any)) {
	of := map[uuid.UUID][]string{}
	for _, r := range runs {
		if !slices.Contains(of[r.ID], r.RunID) { // visibility may show a run twice while it changes
			of[r.ID] = append(of[r.ID], r.RunID)
		}
		if r.Open {
			broken(Kept, r.ID, "its run %s is still open", r.RunID)
		}
	}
	for id, runIDs := range of {
		if !known[id] {
			broken(NoGhosts, id, "Temporal has its workflow, Postgres has no such item")
		}
		if allowed := 1 + l.resets[id]; len(runIDs) > allowed {
			broken(RunsOnce, id, "its workflow was reset %d times and has %d runs: %s", l.resets[id], len(runIDs), strings.Join(runIDs, ", "))
		}
	}
}

// judgeSlots compares when slots were freed with when the workflows closed. What was reset is left out: the workflow of an item that has
// ended is then open again.
func (l *Ledger) judgeSlots(facts []Fact, runs []Run, broken func(promise string, id any, format string, args ...any)) {
	closed := map[uuid.UUID]time.Time{}
	for _, r := range runs {
		if r.Closed.After(closed[r.ID]) {
			closed[r.ID] = r.Closed
		}
	}
	for _, f := range facts {
		if f.Freed.IsZero() || l.resets[f.ID] > 0 {
			continue
		}
		if f.Regained {
			broken(HeldToEnd, f.ID, "its slot was freed while its workflow was open, and held again when that was found")
		}
		if closed[f.ID].After(f.Freed) {
			broken(HeldToEnd, f.ID, "its slot was freed at %s, and its workflow closed at %s", f.Freed.UTC().Format(time.RFC3339Nano), closed[f.ID].UTC().Format(time.RFC3339Nano))
		}
	}
}
