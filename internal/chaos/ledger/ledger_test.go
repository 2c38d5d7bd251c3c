package ledger

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// world is a ledger and what is there at the end.
type world struct {
	ledger *Ledger
	facts  []Fact
	runs   []Run
	ws     uuid.UUID
	def    uuid.UUID
}

// run enqueues one item, which completes.
func (w *world) run(key string) (Ticket, uuid.UUID) {
	t, id := w.ledger.Issue(w.ws, w.def, key), uuid.New()
	w.ledger.Acknowledge(t, id)
	w.facts = append(w.facts, Fact{ID: id, Workspace: w.ws, Definition: w.def, Ticket: t.Number, Status: "COMPLETED"})
	w.runs = append(w.runs, Run{ID: id, RunID: uuid.NewString()})
	return t, id
}

// healthy has a ticket of every kind and nothing wrong.
func healthy() *world {
	w := &world{ledger: New(), ws: uuid.New(), def: uuid.New()}
	t, id := w.run("key")
	w.ledger.Acknowledge(t, id) // the retry was answered with the same item
	_, again := w.run("")
	w.ledger.Reset(again)
	w.runs = append(w.runs, Run{ID: again, RunID: uuid.NewString()}, w.runs[0])
	w.facts[len(w.facts)-1].Freed, w.runs[len(w.runs)-2].Closed = time.Now(), time.Now().Add(time.Minute) // reset after its end
	at := time.Now()
	w.run("")
	w.facts[len(w.facts)-1].Freed, w.runs[len(w.runs)-1].Closed = at, at
	w.ledger.RollBack(w.ledger.Issue(w.ws, w.def, ""))
	w.ledger.Issue(w.ws, w.def, "") // unanswered, and nothing came of it
	arrived := w.ledger.Issue(w.ws, w.def, "")
	w.facts = append(w.facts, Fact{ID: uuid.New(), Workspace: w.ws, Definition: w.def, Ticket: arrived.Number, Status: "EXPIRED", Reason: "expired"})
	ticket, failed := w.run("")
	w.facts = append(w.facts, Fact{ID: uuid.New(), Workspace: w.ws, Definition: w.def, Ticket: ticket.Number, Status: "COMPLETED", ReplayOf: &failed})
	return w
}

func TestAHealthyWorldPasses(t *testing.T) {
	t.Parallel()
	w := healthy()
	require.Empty(t, w.ledger.Judge(w.facts, w.runs))
	require.Equal(t, Counts{Issued: 7, Acknowledged: 4, RolledBack: 1, Unanswered: 2}, w.ledger.Counts())
}

func TestPlantedViolationsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		promise string
		plant   func(w *world) uuid.UUID // returns the offender
	}{
		"a lost id": {Kept, func(w *world) uuid.UUID {
			id := uuid.New()
			w.ledger.Acknowledge(w.ledger.Issue(w.ws, w.def, ""), id)
			return id
		}},
		"a replay that never ends": {Kept, func(w *world) uuid.UUID {
			ticket, failed := w.run("")
			id := uuid.New()
			w.facts = append(w.facts, Fact{ID: id, Workspace: w.ws, Definition: w.def, Ticket: ticket.Number, Status: "PENDING", ReplayOf: &failed})
			return id
		}},
		"an item that never ends": {Kept, func(w *world) uuid.UUID {
			_, id := w.run("")
			w.facts[len(w.facts)-1].Status = "RUNNING"
			return id
		}},
		"a workflow that never ends": {Kept, func(w *world) uuid.UUID {
			_, id := w.run("")
			w.runs[len(w.runs)-1].Open = true
			return id
		}},
		"an end without a reason": {Kept, func(w *world) uuid.UUID {
			_, id := w.run("")
			w.facts[len(w.facts)-1].Status, w.runs = "EXPIRED", w.runs[:len(w.runs)-1]
			return id
		}},
		"a rolled-back id that runs": {NeverRuns, func(w *world) uuid.UUID {
			ticket := w.ledger.Issue(w.ws, w.def, "")
			w.ledger.RollBack(ticket)
			id := uuid.New()
			w.facts = append(w.facts, Fact{ID: id, Workspace: w.ws, Definition: w.def, Ticket: ticket.Number, Status: "COMPLETED"})
			return id
		}},
		"two ids for one key": {OnePerKey, func(w *world) uuid.UUID {
			ticket, id := w.run("twice")
			other := uuid.Max
			w.ledger.Acknowledge(ticket, other)
			w.facts = append(w.facts, Fact{ID: other, Workspace: w.ws, Definition: w.def, Ticket: ticket.Number, Status: "COMPLETED"})
			return id
		}},
		"an item beside the acknowledged one": {NoGhosts, func(w *world) uuid.UUID {
			ticket, _ := w.run("")
			id := uuid.New()
			w.facts = append(w.facts, Fact{ID: id, Workspace: w.ws, Definition: w.def, Ticket: ticket.Number, Status: "COMPLETED"})
			return id
		}},
		"an item without a ticket": {NoGhosts, func(w *world) uuid.UUID {
			id := uuid.New()
			w.facts = append(w.facts, Fact{ID: id, Workspace: w.ws, Definition: w.def, Ticket: -1, Status: "COMPLETED"})
			return id
		}},
		"a ghost in Temporal": {NoGhosts, func(w *world) uuid.UUID {
			id := uuid.New()
			w.runs = append(w.runs, Run{ID: id, RunID: uuid.NewString()})
			return id
		}},
		"a second run": {RunsOnce, func(w *world) uuid.UUID {
			_, id := w.run("")
			w.runs = append(w.runs, Run{ID: id, RunID: uuid.NewString()})
			return id
		}},
		"a slot that is freed early": {HeldToEnd, func(w *world) uuid.UUID {
			_, id := w.run("")
			at := time.Now()
			w.facts[len(w.facts)-1].Freed, w.runs[len(w.runs)-1].Closed = at, at.Add(time.Second)
			return id
		}},
		"a slot that is freed before the last run of a chain has closed": {HeldToEnd, func(w *world) uuid.UUID {
			_, id := w.run("")
			at := time.Now()
			w.facts[len(w.facts)-1].Freed = at
			last := w.runs[len(w.runs)-1]
			last.Closed = at.Add(time.Second)
			w.runs[len(w.runs)-1].Closed = at.Add(-time.Second)
			w.runs = append(w.runs, last)
			return id
		}},
		"a slot that is freed early and held again": {HeldToEnd, func(w *world) uuid.UUID {
			_, id := w.run("")
			at := time.Now()
			w.facts[len(w.facts)-1].Freed, w.facts[len(w.facts)-1].Regained, w.runs[len(w.runs)-1].Closed = at, true, at
			return id
		}},
		"another workspace's definition": {RunsAsTold, func(w *world) uuid.UUID {
			_, id := w.run("")
			w.facts[len(w.facts)-1].Definition = uuid.New()
			return id
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := healthy()
			offender := c.plant(w)
			var promises []string
			for _, v := range w.ledger.Judge(w.facts, w.runs) {
				if v.ID == offender.String() {
					promises = append(promises, v.Promise)
				}
			}
			require.Contains(t, promises, c.promise)
		})
	}
}
