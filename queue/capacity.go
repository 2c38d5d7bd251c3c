package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// WorkspaceCapacity is what the policy needs to know of one workspace with a backlog.
type WorkspaceCapacity struct {
	WorkspaceID     uuid.UUID
	Plan            string
	Cohort          *string
	Limit           int // the most slots it may hold: its own limit, else that of its plan
	Nominal         int
	BorrowingLimit  *int // nil: up to Limit
	Weight          int
	StartsPerSecond *float64 // nil: not bounded
	Burst           *int
	Used            int        // slots held
	Ready           int        // items that could start now, counted up to the limit asked for
	Since           *time.Time // when the first of them became available
	NextDue         *time.Time // when its next scheduled item becomes ready
	Own             int64      // where it stands in line, see admission.Tags
	Borrowed        int64
	Tokens          *float64
	TokensAt        *time.Time
}

// CohortCapacity is what all members of a cohort have together.
type CohortCapacity struct {
	Cohort        string
	Nominal       int
	Used          int
	Weight        int
	Own           int64
	Borrowed      int64
	OwnClock      int64
	BorrowedClock int64
}

// Capacity is the state of all workspaces with a backlog at one moment.
type Capacity struct {
	// Mark is that moment: Rung(Mark) tells whether anything has happened since.
	Mark Mark
	// Now is the database's clock.
	Now time.Time
	// Limit is how many slots all workspaces together may hold; nil: not bounded. Used is counted only if there is one.
	Limit         *int
	Used          int
	Shards        int // how many there are; Cohorts and Workspaces are those of one of them
	OwnClock      int64
	BorrowedClock int64
	Cohorts       []CohortCapacity
	Workspaces    []WorkspaceCapacity
}

// Capacity reads usage, limits and backlog of every workspace of the shard that has pending items, by workspace id. It hops
// through the claim index from workspace to workspace, so it costs per workspace with a backlog and not per item; a
// cohort costs per member. Each count of ready items stops at countUpTo.
func (q *Queue) Capacity(ctx context.Context, countUpTo int) (Capacity, error) {
	var c Capacity
	batch := &pgx.Batch{}
	// The mark comes first: what commits between the statements is then heard again, never missed.
	batch.Queue(`
		SELECT pg_current_snapshot()::text, now(), s.max_concurrent_workflows, coalesce(l.own_clock, 0), coalesce(l.borrowed_clock, 0),
		       CASE WHEN s.max_concurrent_workflows IS NULL THEN 0 ELSE (SELECT count(*) FROM sluice.slots) END, coalesce(s.shards, 1)
		FROM (VALUES (1)) AS one LEFT JOIN sluice.settings s ON true LEFT JOIN sluice.lines l ON l.shard = $1 AND l.cohort = ''`, q.shard).QueryRow(func(row pgx.Row) error {
		return row.Scan(&c.Mark, &c.Now, &c.Limit, &c.OwnClock, &c.BorrowedClock, &c.Used, &c.Shards)
	})
	batch.Queue(cohortsSQL, q.shard).Query(func(rows pgx.Rows) (err error) {
		c.Cohorts, err = pgx.CollectRows(rows, pgx.RowToStructByName[CohortCapacity])
		return err
	})
	batch.Queue(capacitySQL, countUpTo, q.shard).Query(func(rows pgx.Rows) (err error) {
		c.Workspaces, err = pgx.CollectRows(rows, pgx.RowToStructByName[WorkspaceCapacity])
		return err
	})
	err := q.pool.SendBatch(ctx, batch).Close()
	return c, wrap(err, "read capacity")
}

const cohortsSQL = `
SELECT m.cohort, sum(m.nominal)::int AS nominal, sum(used.n)::int AS used, sum(m.weight)::int AS weight,
       coalesce(min(l.own), 0) AS own, coalesce(min(l.borrowed), 0) AS borrowed,
       coalesce(min(l.own_clock), 0) AS own_clock, coalesce(min(l.borrowed_clock), 0) AS borrowed_clock
FROM sluice.settings n JOIN sluice.quotas m ON n.one AND sluice.shard_of(m.workspace_id, m.cohort, n.shards) = $1
CROSS JOIN LATERAL (SELECT count(*) AS n FROM sluice.slots s WHERE s.workspace_id = m.workspace_id) AS used
LEFT JOIN sluice.lines l ON l.shard = $1 AND l.cohort = m.cohort
WHERE m.cohort IS NOT NULL GROUP BY 1 ORDER BY 1`

// One index range per priority: with one range over all of them, a scan would walk all scheduled items of priority 1
// before it reached the first ready item of priority 3.
const capacitySQL = withBacklog + `
SELECT b.workspace_id, w.plan, w.cohort, w.ceiling AS "limit", w.nominal, w.borrowing_limit, w.weight, w.starts_per_second, w.burst,
       (SELECT count(*) FROM sluice.slots s WHERE s.workspace_id = b.workspace_id)::int AS used,
       ready.n::int AS ready, due.since, due.at AS next_due,
       coalesce(share.own, 0) AS own, coalesce(share.borrowed, 0) AS borrowed, share.tokens, share.tokens_at
FROM backlog b
JOIN sluice.quotas w ON w.workspace_id = b.workspace_id
JOIN sluice.settings n ON n.one AND sluice.shard_of(w.workspace_id, w.cohort, n.shards) = $2
LEFT JOIN sluice.shares share ON share.workspace_id = b.workspace_id
CROSS JOIN LATERAL (
	SELECT count(*) AS n FROM (
		SELECT FROM generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL (
			SELECT FROM sluice.execution_queue q
			WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority AND q.available_at <= now() LIMIT $1) AS item
		LIMIT $1) AS counted
) AS ready
CROSS JOIN LATERAL (
	SELECT min(head.available_at) FILTER (WHERE head.available_at <= now()) AS since, min(later.available_at) AS at
	FROM generate_series(1, 5) AS p (priority)
	LEFT JOIN LATERAL (
		SELECT q.available_at FROM sluice.execution_queue q WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority
		ORDER BY q.available_at LIMIT 1) AS head ON true
	LEFT JOIN LATERAL (
		SELECT q.available_at FROM sluice.execution_queue q
		WHERE head.available_at IS NOT NULL AND q.workspace_id = b.workspace_id AND q.priority = p.priority AND q.available_at > now()
		ORDER BY q.available_at LIMIT 1) AS later ON true
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
