package recovery

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/workflows"
)

// own makes items workflows of their caller's own, of these workflow ids; empty: of the item's.
func (b *bundle) own(t *testing.T, id uuid.UUID, workflowID string) uuid.UUID {
	t.Helper()
	for _, table := range []string{"pending", "running", "ended"} {
		b.exec(t, `UPDATE sluice.`+table+` SET workflow_definition_id = NULL, workflow_type = 'Bill', task_queue = 'bills', workflow_id = nullif($2, '') WHERE id = $1`, id, workflowID)
	}
	return id
}

// A workflow may change its search attributes, and its children may be called as they like.
func TestWhatAnotherWorkflowSaysOfItselfChangesNothing(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{"a definition": "definition", "a workflow": "", "a workflow with an id of its own": "order-1"} {
		for _, status := range []struct {
			name string
			open bool
		}{{"open", true}, {"closed", false}} {
			t.Run(name+", the other "+status.name, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				as := func(ids []uuid.UUID) (id uuid.UUID, workflowID string) {
					if kind == "definition" {
						return ids[0], workflows.ExecutionID(ids[0])
					}
					workflowID = workflows.ExecutionID(ids[0])
					if kind != "" {
						workflowID = kind + ids[0].String()
					}
					return b.own(t, ids[0], map[bool]string{true: workflowID}[kind != ""]), workflowID
				}
				pending, pendingID := as(b.enqueue(t, 1))
				ended, endedID := as(b.end(t, 1, workflows.StatusCompleted))
				held, heldID := as(b.run(t, 1))
				claimed, claimedID := as(b.claim(t, 1))
				b.exec(t, `UPDATE sluice.running SET claimed_at = now() WHERE id = $1`, claimed)
				b.hasCalled(heldID, &workflow{runID: firstRun(held), status: running, startedFor: held})
				liars := map[uuid.UUID]*workflow{}
				for _, victim := range []uuid.UUID{pending, ended, held, claimed} {
					liar := workflow{runID: "liar's", status: running, startedFor: uuid.New(), says: victim}
					if !status.open {
						liar.status, liar.output = completed, `{"paid": true}`
					}
					b.hasCalled("liar of "+victim.String(), &liar)
					liars[victim] = &liar
				}
				for victim, id := range map[uuid.UUID]string{pending: pendingID, ended: endedID, claimed: claimedID} {
					byID := *liars[victim]
					b.hasCalled(id, &byID)
				}
				check := func() {
					t.Helper()
					for range 2 {
						b.pass(t)
						b.exec(t, `UPDATE sluice.running SET checked_at = now() - interval '1 minute' WHERE dispatched_at IS NOT NULL`)
					}
					require.Equal(t, "PENDING", b.status(t, pending))
					require.Equal(t, workflows.StatusCompleted, b.status(t, ended))
					require.Nil(t, one[*string](t, b.db, `SELECT output::text FROM sluice.ended`))
					require.Equal(t, "RUNNING", b.status(t, held))
					require.Equal(t, "CLAIMED", b.status(t, claimed))
					require.ElementsMatch(t, []uuid.UUID{held, claimed}, b.held(t))
				}
				check()
				for victim, id := range map[uuid.UUID]string{pending: pendingID, ended: endedID, claimed: claimedID} {
					child := *liars[victim]
					child.child, child.startedFor = true, victim
					b.hasCalled(id, &child)
				}
				check()
				b.exec(t, `UPDATE sluice.running SET claimed_at = now() - interval '1 hour' WHERE id = $1`, claimed)
				report, err := b.ReleaseStale(t.Context())
				require.NoError(t, err)
				require.Equal(t, Report{Released: 1}, report, "its own has not been started")
			})
		}
	}
}

// What a workflow does to its own attributes frees no slot.
func TestAWorkflowThatDeniesItsItemHoldsItsSlot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.own(t, b.run(t, 1)[0], "order-1")
	w := &workflow{runID: firstRun(id), status: running, startedFor: id, says: uuid.New()}
	b.hasCalled("order-1", w)
	b.pass(t)
	require.Equal(t, "RUNNING", b.status(t, id))
	w = &workflow{runID: secondRun(id), first: firstRun(id), status: running, startedFor: uuid.New(), says: uuid.New(), earlier: []*workflow{w}}
	b.hasCalled("order-1", w)
	b.later(t)
	require.Equal(t, "RUNNING", b.status(t, id), "it has continued as new")
	w.status, w.output = completed, "1"
	b.later(t)
	require.Equal(t, workflows.StatusCompleted, b.status(t, id))
}

func TestAnIDThatIsInUseAgainHidesNoEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.own(t, b.run(t, 1)[0], "order-1")
	before := &workflow{runID: firstRun(id), status: completed, output: "1", startedFor: id}
	b.hasCalled("order-1", &workflow{runID: "another's", status: running, startedFor: uuid.New(), says: id, earlier: []*workflow{before}})
	b.pass(t)
	require.Equal(t, workflows.StatusCompleted, b.status(t, id))
	b.pass(t)
	require.Empty(t, b.held(t), "the other one is not its")
}
