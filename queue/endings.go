package queue

import (
	"context"
	"time"
)

// checkedColumns are those of executions that checks look at.
const checkedColumns = `id, workspace_id, workflow_definition_id, workflow_version_id, status, engine_run_id, claimed_at, completed_at`

// allExecutions are all there ever were.
const allExecutions = `SELECT ` + checkedColumns + ` FROM sluice.workflow_executions`

// recentExecutions hold a slot, or have given one back since $1: they are open, but for what somebody has broken, or have
// ended since. No index knows when an execution ended: it would cost each outcome half as much again. So sluice.endings
// lists them, by the clock at the end of their statement; it may have been set back by as much as the margin.
const recentExecutions = `
	SELECT ` + checkedColumns + ` FROM (
		SELECT execution_id FROM sluice.slots
		UNION
		SELECT unnest(ids) FROM sluice.endings WHERE at >= $1::timestamptz - ` + endingsMargin + `) AS n
	-- Written so that it can be nothing but a lookup.
	CROSS JOIN LATERAL (SELECT * FROM sluice.workflow_executions WHERE id = n.execution_id LIMIT 1) AS e
	WHERE completed_at IS NULL OR completed_at >= $1::timestamptz`

const endingsMargin = `interval '1 minute'`

// executionsSince are the executions that are open or have ended since, with the arguments of the query; zero stands for
// all there are. Before the list of endings begins, which is a day before it was introduced, all are read to find them.
func (q *Queue) executionsSince(ctx context.Context, from time.Time) (sql string, args []any, err error) {
	if from.IsZero() {
		return allExecutions, nil, nil
	}
	var listed bool
	err = q.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sluice.endings WHERE at <= $1::timestamptz - `+endingsMargin+`)`, from).Scan(&listed)
	if err != nil || listed {
		return recentExecutions, []any{from}, err
	}
	return allExecutions + ` WHERE completed_at IS NULL OR completed_at >= $1::timestamptz`, []any{from}, nil
}
