package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// ExecutionTimes is when an execution waited and held its slot. Its status is CLAIMED until it is dispatched.
type ExecutionTimes struct {
	ID          uuid.UUID
	WorkspaceID uuid.UUID
	Status      string
	AvailableAt time.Time
	ClaimedAt   time.Time
	CompletedAt *time.Time
}

// SlotInterval is the time for which a slot was held; To is nil while it is. The claim writes From and the outcome
// writes To, each in the statement that takes or frees the slot, so intervals prove or disprove a cap exactly.
type SlotInterval struct {
	WorkspaceID uuid.UUID
	From        time.Time
	To          *time.Time
}

// ExecutionTimes returns those of the items that have become executions.
func (q *Queue) ExecutionTimes(ctx context.Context, items []uuid.UUID) ([]ExecutionTimes, error) {
	times, err := collect[ExecutionTimes](ctx, q.pool, `
		SELECT id, workspace_id, status, available_at, claimed_at, completed_at FROM sluice.workflow_executions WHERE id = ANY ($1)`, items)
	return times, wrap(err, "read executions")
}

// SlotIntervals returns the slots that the workspaces held at any time since, by the database's clock.
func (q *Queue) SlotIntervals(ctx context.Context, workspaces []uuid.UUID, since time.Time) ([]SlotInterval, error) {
	intervals, err := collect[SlotInterval](ctx, q.pool, `
		SELECT workspace_id, claimed_at AS "from", completed_at AS "to" FROM sluice.workflow_executions
		WHERE workspace_id = ANY ($1) AND (completed_at IS NULL OR completed_at >= $2)
		  AND completed_at IS DISTINCT FROM claimed_at -- the outcome of a requeued item never held a slot`, workspaces, since)
	return intervals, wrap(err, "read slot intervals")
}
