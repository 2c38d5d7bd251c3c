package recovery

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"golang.org/x/sync/errgroup"

	"sluice/workflows"
)

// runOwn adds a workflow of its caller's own that was dispatched; an empty name means that it has none.
func (b *bundle) runOwn(t *testing.T, name string) uuid.UUID {
	t.Helper()
	id := b.run(t, 1)[0]
	b.exec(t, `UPDATE sluice.running SET workflow_definition_id = NULL, workflow_type = 'SendInvoice', task_queue = 'invoices', workflow_id = nullif($2, '') WHERE id = $1`, id, name)
	return id
}

// hasOwn gives Temporal the workflow of such an item, and does not list it.
func (b *bundle) hasOwn(id uuid.UUID, name string, status enumspb.WorkflowExecutionStatus) *workflow {
	w := &workflow{runID: firstRun(id), status: status, taskQueue: "invoices", output: `{"sum": 3}`, startedFor: id}
	b.temporal.mu.Lock()
	defer b.temporal.mu.Unlock()
	b.temporal.workflows[name] = w
	return w
}

func (b *bundle) lookAtHint(t *testing.T, h Hint) {
	t.Helper()
	require.NoError(t, b.Look(t.Context(), h))
}

func TestAHintHasTheEndOfAWorkflowRecorded(t *testing.T) {
	t.Parallel()
	for name, hint := range map[string]func(id uuid.UUID, name string) Hint{
		"by its item":       func(id uuid.UUID, _ string) Hint { return Hint{Item: id, RunID: firstRun(id), By: "test"} },
		"by its item alone": func(id uuid.UUID, _ string) Hint { return Hint{Item: id, By: "test"} },
		"by its workflow":   func(id uuid.UUID, name string) Hint { return Hint{WorkflowID: name, RunID: firstRun(id), By: "test"} },
	} {
		for _, called := range []string{"", "invoice-1"} {
			t.Run(name+called, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				id, workflowID := b.runOwn(t, called), called
				if called == "" {
					workflowID = workflows.ExecutionID(id)
				}
				b.hasOwn(id, workflowID, completed)
				b.lookAtHint(t, hint(id, workflowID))
				require.Equal(t, workflows.StatusCompleted, b.status(t, id))
				require.JSONEq(t, `{"sum": 3}`, one[string](t, b.db, `SELECT output::text FROM sluice.ended`))
				require.Equal(t, []uuid.UUID{id}, b.freedIDs())
				require.Equal(t, map[string]int64{"test": 1}, b.repairs, "nothing was repaired")
				require.Empty(t, list[string](t, b.db, `SELECT action FROM sluice.activity_log WHERE actor = 'recovery'`))

				described := b.temporal.described
				b.lookAtHint(t, Hint{Item: id, RunID: firstRun(id)})
				b.lookAtHint(t, Hint{WorkflowID: workflowID, RunID: firstRun(id)})
				require.Equal(t, described, b.temporal.described, "its end is on record")
			})
		}
	}
}

// A worker that says how it has closed a run saves reading its history. It counts only if just that run is the newest one, and has
// closed in that way.
func TestWhatAWorkerSaysOfAnEndCountsIfTemporalAgrees(t *testing.T) {
	t.Parallel()
	said := func(text string) *historypb.HistoryEvent {
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
			WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{Failure: &failurepb.Failure{Message: text}}}}
	}
	for name, test := range map[string]struct {
		status  enumspb.WorkflowExecutionStatus
		runID   func(uuid.UUID) string
		message string
	}{
		"so it is":    {failed, firstRun, "no stock"},
		"another end": {enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, firstRun, "terminated: by its history"},
		"another run": {failed, secondRun, "by its history"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.runOwn(t, "order")
			b.hasOwn(id, "order", test.status).err = errors.New("by its history")
			b.lookAtHint(t, Hint{WorkflowID: "order", RunID: test.runID(id), Closed: said("no stock")})
			require.Equal(t, test.message, one[string](t, b.db, `SELECT error ->> 'message' FROM sluice.ended`))
		})
	}
}

func TestAHintThatIsNotSoChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	open, strange, missing := b.runOwn(t, "open"), b.runOwn(t, "strange"), b.runOwn(t, "")
	b.hasOwn(open, "open", running)
	b.hasOwn(uuid.New(), "strange", completed) // another item's, of the same name; the item's own is about to be started
	b.exec(t, `UPDATE sluice.running SET engine_run_id = NULL, dispatched_at = NULL WHERE id = $1`, strange)
	b.lookAtHint(t, Hint{Item: open, RunID: firstRun(open)})
	b.lookAtHint(t, Hint{WorkflowID: "open", RunID: firstRun(open)})
	b.lookAtHint(t, Hint{Item: strange})
	b.lookAtHint(t, Hint{WorkflowID: "strange"})
	b.lookAtHint(t, Hint{Item: missing})
	b.lookAtHint(t, Hint{Item: uuid.New()})
	b.lookAtHint(t, Hint{WorkflowID: "nobody's"})
	require.ElementsMatch(t, []uuid.UUID{open, strange, missing}, b.held(t))
	require.Empty(t, b.freedIDs())
	require.Empty(t, b.repairs)
}

// An execution of a definition has recorded its end before it closes: what its worker says costs no question to Temporal.
func TestWhatAWorkerSaysOfADefinitionsExecutionIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.run(t, 1)[0]
	b.has(id, workflow{runID: firstRun(id), status: completed})
	b.lookAtHint(t, Hint{WorkflowID: workflows.ExecutionID(id)})
	require.Zero(t, b.temporal.described)
}

// A call about an earlier run may come late, and one about a later run early.
func TestHintsOfResetsMayComeInAnyOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.runOwn(t, "order")
	w := b.hasOwn(id, "order", completed)
	b.lookAtHint(t, Hint{Item: id, RunID: firstRun(id)})
	w.runID, w.status = secondRun(id), running
	b.lookAtHint(t, Hint{Item: id, RunID: secondRun(id)})
	require.Equal(t, []uuid.UUID{id}, b.held(t), "it was reset, and holds its slot again")
	w.status, w.output = completed, `{"sum": 4}`
	b.lookAtHint(t, Hint{Item: id, RunID: firstRun(id)})
	require.Empty(t, b.held(t))
	require.JSONEq(t, `{"sum": 4}`, one[string](t, b.db, `SELECT output::text FROM sluice.ended`))

	w.runID, w.output = "third", `{"sum": 5}` // reset, and closed before anybody has seen it open
	b.lookAtHint(t, Hint{Item: id, RunID: "third"})
	require.JSONEq(t, `{"sum": 5}`, one[string](t, b.db, `SELECT output::text FROM sluice.ended`))
	require.Equal(t, "third", one[string](t, b.db, `SELECT engine_run_id FROM sluice.ended`))
}

func TestManyHintsAtOnceAreAllLookedAt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var group errgroup.Group
	hints := NewHints(b.Recovery)
	for i := range 40 {
		id := b.runOwn(t, "")
		b.hasOwn(id, workflows.ExecutionID(id), completed)
		if i%2 == 0 {
			group.Go(func() error { return b.Look(t.Context(), Hint{Item: id, RunID: firstRun(id)}) })
			continue
		}
		hints.Hear(Hint{WorkflowID: workflows.ExecutionID(id), RunID: firstRun(id)})
	}
	require.NoError(t, group.Wait())
	hints.Close()
	require.Empty(t, b.held(t))
	require.Len(t, b.freedIDs(), 40)
	hints.Hear(Hint{}) // is heard no more
}
