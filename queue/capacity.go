package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// WorkspaceCapacity is what the policy needs to know of one workspace with a backlog.
type WorkspaceCapacity struct {
	WorkspaceID uuid.UUID
	Plan        string
	Limit       int // max_concurrent_workflows of its plan
	Weight      int
	Used        int        // slots held
	Ready       int        // items that could start now, counted up to the limit asked for
	NextDue     *time.Time // when its next scheduled item becomes ready
}

// Capacity is the state of all workspaces with a backlog at one moment.
type Capacity struct {
	// Mark is that moment: Rung(Mark) tells whether anything has happened since.
	Mark Mark
	// Now is the database's clock.
	Now        time.Time
	Workspaces []WorkspaceCapacity
}

// Capacity reads usage, limits and backlog of every workspace that has pending items, by workspace id. It hops
// through the claim index from workspace to workspace, so it costs per workspace with a backlog and not per item.
// Each count of ready items stops at countUpTo.
func (q *Queue) Capacity(ctx context.Context, countUpTo int) (Capacity, error) {
	var c Capacity
	batch := &pgx.Batch{}
	// The mark comes first: what commits between the two statements is then heard again, never missed.
	batch.Queue(`SELECT pg_current_snapshot()::text, now()`).QueryRow(func(row pgx.Row) error {
		return row.Scan(&c.Mark, &c.Now)
	})
	batch.Queue(capacitySQL, countUpTo).Query(func(rows pgx.Rows) (err error) {
		c.Workspaces, err = pgx.CollectRows(rows, pgx.RowToStructByName[WorkspaceCapacity])
		return err
	})
	err := q.pool.SendBatch(ctx, batch).Close()
	return c, wrap(err, "read capacity")
}

// One index range per priority: with one range over all of them, a scan would walk all scheduled items of priority 1
// before it reached the first ready item of priority 3.
const capacitySQL = withBacklog + `
SELECT b.workspace_id, w.plan, t.max_concurrent_workflows AS "limit", t.weight,
       (SELECT count(*) FROM sluice.slots s WHERE s.workspace_id = b.workspace_id)::int AS used,
       ready.n::int AS ready, due.at AS next_due
FROM backlog b
JOIN sluice.workspaces w ON w.id = b.workspace_id
JOIN sluice.tiers t ON t.plan = w.plan
CROSS JOIN LATERAL (
	SELECT count(*) AS n FROM (
		SELECT FROM generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL (
			SELECT FROM sluice.execution_queue q
			WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority AND q.available_at <= now() LIMIT $1) AS item
		LIMIT $1) AS counted
) AS ready
CROSS JOIN LATERAL (
	SELECT min(item.available_at) AS at FROM generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL (
		SELECT q.available_at FROM sluice.execution_queue q
		WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority AND q.available_at > now()
		ORDER BY q.available_at LIMIT 1) AS item
) AS due
ORDER BY b.workspace_id`

// withBacklog begins a statement that reads backlog (workspace_id): the workspaces with pending items, and one NULL. It
// hops from one to the next through the claim index, a loose index scan, so it costs per workspace and not per item.
const withBacklog = `
WITH RECURSIVE backlog AS (
	(SELECT workspace_id FROM sluice.execution_queue ORDER BY workspace_id LIMIT 1)
	UNION ALL
	SELECT (SELECT q.workspace_id FROM sluice.execution_queue q WHERE q.workspace_id > b.workspace_id ORDER BY q.workspace_id LIMIT 1)
	FROM backlog b WHERE b.workspace_id IS NOT NULL
)`
