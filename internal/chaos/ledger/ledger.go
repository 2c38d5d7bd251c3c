package ledger

import (
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// Ticket is one intention to run a definition for a workspace once.
type Ticket struct {
	Number     int
	Workspace  uuid.UUID
	Definition uuid.UUID
	Key        string // the unique key, empty for none
}

// entry is a ticket and what became of it.
type entry struct {
	Ticket
	answers    map[uuid.UUID]bool // the ids that its enqueues were answered with
	rolledBack bool
}

// Ledger is safe for concurrent use.
type Ledger struct {
	mu      sync.Mutex
	entries []*entry          // by ticket number
	resets  map[uuid.UUID]int // how often Temporal was asked to reset an execution
}

// New returns an empty ledger.
func New() *Ledger { return &Ledger{resets: map[uuid.UUID]int{}} }

// Issue notes an intention, before anything is sent.
func (l *Ledger) Issue(workspace, definition uuid.UUID, key string) Ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := Ticket{Number: len(l.entries), Workspace: workspace, Definition: definition, Key: key}
	l.entries = append(l.entries, &entry{Ticket: t, answers: map[uuid.UUID]bool{}})
	return t
}

// Acknowledge notes an answer that says: it is enqueued, and committed.
func (l *Ledger) Acknowledge(t Ticket, id uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[t.Number].answers[id] = true
}

// RollBack notes that the ticket's only transaction was never committed.
func (l *Ledger) RollBack(t Ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[t.Number].rolledBack = true
}

// Reset notes that a reset of an execution was asked for: its workflow may have one more run.
func (l *Ledger) Reset(id uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resets[id]++
}

// Counts says how many tickets there are of each kind.
type Counts struct{ Issued, Acknowledged, RolledBack, Unanswered int }

// Counts counts the tickets.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := Counts{Issued: len(l.entries)}
	for _, e := range l.entries {
		switch {
		case e.rolledBack:
			c.RolledBack++
		case len(e.answers) > 0:
			c.Acknowledged++
		default:
			c.Unanswered++
		}
	}
	return c
}

// ids are the answers in order.
func (e *entry) ids() []uuid.UUID {
	return slices.SortedFunc(maps.Keys(e.answers), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
}
