package activities

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/workflows"
)

// An id that derives from an item is nobody else's to use, and yet any child may have it.
func TestAnItemsOwnIDThatIsTakenCostsItNothing(t *testing.T) {
	t.Parallel()
	pool := database(t)
	const (
		running   = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
		completed = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	)
	item := execution().ID
	id := workflows.ExecutionID(item)
	child := func(f *frontend, status enumspb.WorkflowExecutionStatus) { // it has what its parent gives it
		f.has(id, "theirs", "theirs", status, ofItem(item), ofItem(item))
		f.runs[len(f.runs)-1].info.ParentExecution = &commonpb.WorkflowExecution{WorkflowId: "mine"}
	}
	waits := answer{failed: &store.FailedStart{Waits: true}}
	r := fullRequest(t)
	r.WorkflowId = ""
	for name, c := range map[string]struct {
		runs func(f *frontend)
		want answer // of the failure only what it leads to
		says string
	}{
		"by a child":                   {runs: func(f *frontend) { child(f, running) }, want: waits, says: "is open and was not started for this item"},
		"by another item's":            {runs: func(f *frontend) { f.has(id, "theirs", "theirs", running, ofItem(uuid.New()), ofItem(item)) }, want: waits, says: "is open"},
		"by a child that has ended":    {runs: func(f *frontend) { child(f, completed) }, want: answer{run: "new"}},
		"by a child that has just run": {runs: func(f *frontend) { child(f, completed); f.runs[0].info.StartTime = timestamppb.Now() }, want: waits, says: "a moment ago"},
		"by a child that has ended, after its own": {runs: func(f *frontend) {
			child(f, completed)
			f.has(id, "a", "a", completed, ofItem(item), nil)
		}, want: answer{run: "a"}},
		"by its own": {runs: func(f *frontend) { f.has(id, "a", "a", running, ofItem(item), ofItem(uuid.New())) }, want: answer{run: "a"}},
		"by its own, which was reset": {runs: func(f *frontend) {
			f.has(id, "b", "a", running, ofItem(item), nil)
			f.has(id, "a", "a", completed, ofItem(item), nil)
		}, want: answer{run: "a"}},
	} {
		for kind, x := range map[string]dispatch.Execution{"definition": execution(), "workflow": workflowItem(t, r)} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				f := &frontend{refuse: serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "theirs", ""), allows: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE}
				c.runs(f)
				got, err := startAt(t, pool, f, x)
				require.NoError(t, err)
				if got.failed != nil {
					require.Equal(t, reasonIDTaken, got.failed.Reason)
					require.Contains(t, got.failed.Error, c.says)
					got.failed.Reason, got.failed.Error = "", ""
				}
				require.Equal(t, c.want, got)
				if c.want.run != "new" {
					require.Len(t, f.started, 1)
					return
				}
				require.Len(t, f.started, 2)
				require.Equal(t, item.String(), f.started[1].GetRequestId(), "repeated, it is the same start")
			})
		}
	}
	// Taken again in between, it waits.
	f := &frontend{refuse: serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "theirs", "")}
	child(f, completed)
	got, err := startAt(t, pool, f, execution())
	require.NoError(t, err)
	require.True(t, got.failed.Waits)
	require.Contains(t, got.failed.Error, "another one's again")
}
