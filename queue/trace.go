package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Traced is an execution as a simulation needs it.
type Traced struct {
	WorkspaceID uuid.UUID
	AvailableAt time.Time
	Priority    int
	Runs        time.Duration // for which it held its slot
}

// Trace returns the executions that became available since and have ended, oldest first; of more than most the newest.
func (q *Queue) Trace(ctx context.Context, since time.Time, most int) ([]Traced, error) {
	trace, err := collect[Traced](ctx, q.pool, `
		SELECT * FROM (
			SELECT workspace_id, available_at, priority::int, completed_at - claimed_at AS runs FROM sluice.workflow_executions
			WHERE available_at >= $1 AND completed_at > claimed_at ORDER BY available_at DESC LIMIT $2) AS newest
		ORDER BY available_at`, since, most)
	return trace, wrap(err, "read trace")
}

// WorkspaceLimits lists all workspaces with the limits of their own, by name.
func (q *Queue) WorkspaceLimits(ctx context.Context) ([]WorkspaceLimits, error) {
	list, err := collect[WorkspaceLimits](ctx, q.pool, `
		SELECT id, name, plan, max_concurrent_workflows, weight, nominal_quota, borrowing_limit, starts_per_second, burst, cohort
		FROM sluice.workspaces ORDER BY name, id`)
	return list, wrap(err, "list workspaces")
}
