package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/workflows"
)

const (
	// visibilityLag is how late Temporal's visibility may show a change; each pass looks back so much further.
	visibilityLag = 20 * time.Second
	// usualLag is how late it shows one as a rule. What closed so long before the last pass is counted and not listed.
	usualLag = 3 * time.Second
	// firstLook is how far the very first pass looks back.
	firstLook = time.Hour
	// listPage and listPages bound what one pass reads of the changes. What lies beyond has its turn all the same.
	listPage  = 1000
	listPages = 20
	// turnAge leaves an execution that has just been dispatched or checked in peace.
	turnAge = 5 * time.Second
	// turnBatch is how many slots have their turn in a pass, and missingBatch when visibility shows fewer open
	// executions than there are slots: some of them have been deleted, or closed unseen.
	turnBatch    = 200
	missingBatch = 1000
)

// doubtful returns the executions whose workflow was closed or started since a moment, and does not agree with Postgres.
// Visibility is eventually consistent, so these are only doubts.
func (a *Activities) doubtful(ctx context.Context, since time.Time, known *closings) ([]uuid.UUID, error) {
	closed, open, err := a.look(ctx, since, *known)
	if err != nil {
		return nil, err
	}
	*known = closed
	unrecorded, err := a.queue.Unrecorded(ctx, closed.runs())
	if err != nil {
		return nil, err
	}
	unheld, err := a.queue.Unheld(ctx, open)
	return append(unrecorded, unheld...), err
}

// nextInTurn returns the slots that were compared longest ago, of so many that are due: what no list shows, such as a
// deleted workflow, is found that way. Counts that differ make it many.
func (a *Activities) nextInTurn(ctx context.Context, slots int64) ([]uuid.UUID, error) {
	if slots == 0 {
		return nil, nil
	}
	limit := turnBatch
	if slots > turnBatch {
		count, err := a.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", workflows.ExecutionType)})
		if err != nil {
			return nil, fmt.Errorf("count open executions: %w", err)
		}
		if slots > count.GetCount() {
			limit = missingBatch
		}
	}
	return a.queue.SlotsToCheck(ctx, turnAge, limit)
}
