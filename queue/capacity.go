package queue

import (
	"context"
	"math"
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

	ageing time.Duration
}

// Capacity reads usage, limits and backlog of every workspace of the shard that has pending items, by workspace id. It hops
// through the claim index from workspace to workspace, so it costs per workspace with a backlog and not per item; a
// cohort costs per member. Each count of ready items stops at countUpTo. A dispatcher asks its Memory instead.
func (q *Queue) Capacity(ctx context.Context, countUpTo int) (Capacity, error) {
	var c Capacity
	var rows []workspaceRow
	batch := &pgx.Batch{}
	c.queue(batch, q.shard, &counters{}, bounds{})
	queueRows(batch, &rows, capacitySQL, countUpTo, math.MaxInt32, nil, nil, q.shard)
	err := q.pool.SendBatch(ctx, batch).Close()
	c.Workspaces = make([]WorkspaceCapacity, len(rows))
	for i := range rows {
		c.Workspaces[i] = rows[i].WorkspaceCapacity
	}
	return c, wrap(err, "read capacity")
}

// queue adds to the batch what reads everything but the workspaces, and the counters of the shard's dispatcher.
// The mark comes first: what commits between the statements is then heard again, never missed.
func (c *Capacity) queue(batch *pgx.Batch, shard int, counted *counters, from bounds) {
	members, held := from.told()
	batch.Queue(`
		SELECT pg_current_snapshot()::text, now(), s.max_concurrent_workflows, coalesce(l.own_clock, 0), coalesce(l.borrowed_clock, 0),
		       CASE WHEN s.max_concurrent_workflows IS NULL THEN 0 ELSE (SELECT count(*) FROM sluice.slots) END, coalesce(s.shards, 1), coalesce(s.ageing_step, '0'),
		       coalesce(d.epoch, 0), coalesce(d.cycle, 0), coalesce(d.claims, 0), coalesce(d.dispatch, 0), d.ctid
		FROM (VALUES (1)) AS one LEFT JOIN sluice.settings s ON true LEFT JOIN sluice.lines l ON l.shard = $1 AND l.cohort = ''
		LEFT JOIN sluice.dispatchers d ON d.ctid = (
			SELECT ctid FROM sluice.dispatchers WHERE ctid = $2 AND shard = $1
			UNION ALL
			SELECT ctid FROM sluice.dispatchers WHERE shard = $1 LIMIT 1)`, shard, counted.row).QueryRow(func(row pgx.Row) error {
		return row.Scan(&c.Mark, &c.Now, &c.Limit, &c.OwnClock, &c.BorrowedClock, &c.Used, &c.Shards, &c.ageing,
			&counted.epoch, &counted.cycle, &counted.claims, &counted.dispatch, &counted.row)
	})
	batch.Queue(cohortsSQL, shard, members, held).Query(func(rows pgx.Rows) (err error) {
		c.Cohorts, err = pgx.CollectRows(rows, pgx.RowToStructByName[CohortCapacity])
		return err
	})
}

// workspaceRow is a workspace as read, with the first items of its priorities 1 to 5; NULL where there is none.
type workspaceRow struct {
	WorkspaceCapacity
	Counted int // where the count of ready items stopped
	HeadsAt []*time.Time
	HeadIDs []*uuid.UUID
}

// queueRows adds a statement to the batch that appends what it reads to rows.
func queueRows(batch *pgx.Batch, to *[]workspaceRow, sql string, args ...any) {
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		read, err := pgx.CollectRows(rows, pgx.RowToStructByName[workspaceRow])
		*to = append(*to, read...)
		return err
	})
}

const cohortsSQL = `
SELECT m.cohort, sum(m.nominal)::int AS nominal, sum(used.n)::int AS used, sum(m.weight)::int AS weight,
       coalesce(min(l.own), 0) AS own, coalesce(min(l.borrowed), 0) AS borrowed,
       coalesce(min(l.own_clock), 0) AS own_clock, coalesce(min(l.borrowed_clock), 0) AS borrowed_clock
FROM sluice.settings n JOIN sluice.quotas m ON n.one AND sluice.shard_of(m.workspace_id, m.cohort, n.shards) = $1
CROSS JOIN LATERAL (
	SELECT count(*) AS n FROM sluice.slots s WHERE s.workspace_id = m.workspace_id
	AND s.seq >= coalesce(($3::bigint[])[array_position($2::uuid[], m.workspace_id)], 0)) AS used
LEFT JOIN sluice.lines l ON l.shard = $1 AND l.cohort = m.cohort
WHERE m.cohort IS NOT NULL GROUP BY 1 ORDER BY 1`

const (
	capacitySQL = withBacklog + `, chosen AS (SELECT workspace_id, NULL::bigint AS place, 0 AS bound FROM backlog)` + workspacesSQL
	// againSQL reads the workspaces of $6 only, and counts their slots from the bounds $7 on.
	againSQL = `WITH chosen AS (SELECT * FROM unnest($6::uuid[], $7::bigint[]) WITH ORDINALITY AS again (workspace_id, bound, place))` + workspacesSQL
)

// workspacesSQL reads those that are chosen, belong to the shard $5 and have items left. Ready items are counted up to
// $1, and up to $2 times the limit. Items are looked for from the cursors $3 and $4 on, five for each place; without a
// place, from the beginning. One index range per priority: with one range over all of them, a scan would walk all scheduled items of
// priority 1 before it reached the first ready item of priority 3. The limits of one keep the planner from reading all
// workspaces for a few, which it finds cheap while there are not many, and from keeping that plan.
const workspacesSQL = `
SELECT b.workspace_id, w.plan, w.cohort, w.ceiling AS "limit", w.nominal, w.borrowing_limit, w.weight, w.starts_per_second, w.burst,
       (SELECT count(*) FROM sluice.slots s WHERE s.workspace_id = b.workspace_id AND s.seq >= b.bound)::int AS used,
       ready.n::int AS ready, depth.n AS counted, due.since, due.at AS next_due, due.heads_at, due.head_ids,
       coalesce(share.own, 0) AS own, coalesce(share.borrowed, 0) AS borrowed, share.tokens, share.tokens_at
FROM chosen b
CROSS JOIN LATERAL (SELECT * FROM sluice.quotas q WHERE q.workspace_id = b.workspace_id LIMIT 1) AS w
JOIN sluice.settings n ON n.one AND sluice.shard_of(w.workspace_id, w.cohort, n.shards) = $5
LEFT JOIN LATERAL (SELECT * FROM sluice.shares s WHERE s.workspace_id = b.workspace_id LIMIT 1) AS share ON true
CROSS JOIN LATERAL (SELECT least($1::int, $2::bigint * greatest(1, w.ceiling))::int AS n) AS depth
CROSS JOIN LATERAL (
	SELECT min(head.available_at) FILTER (WHERE head.available_at <= now()) AS since, min(later.available_at) AS at,
	       array_agg(head.available_at ORDER BY p.priority) AS heads_at, array_agg(head.id ORDER BY p.priority) AS head_ids
	FROM generate_series(1, 5) AS p (priority)
	LEFT JOIN LATERAL (
		SELECT q.available_at, q.id FROM sluice.execution_queue q
		WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority
		  AND (q.available_at, q.id) >= (coalesce(($3::timestamptz[])[5 * b.place - 5 + p.priority], '-infinity'),
		                                 coalesce(($4::uuid[])[5 * b.place - 5 + p.priority], '00000000-0000-0000-0000-000000000000'))
		ORDER BY q.available_at, q.id LIMIT 1) AS head ON true
	LEFT JOIN LATERAL (
		SELECT q.available_at FROM sluice.execution_queue q
		WHERE head.available_at IS NOT NULL AND q.workspace_id = b.workspace_id AND q.priority = p.priority AND q.available_at > now()
		ORDER BY q.available_at LIMIT 1) AS later ON true
) AS due
CROSS JOIN LATERAL (
	SELECT count(*) AS n FROM (
		SELECT FROM generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL (
			SELECT FROM sluice.execution_queue q
			WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority AND q.available_at <= now()
			  AND (q.available_at, q.id) >= (due.heads_at[p.priority], due.head_ids[p.priority])
			LIMIT depth.n) AS item
		LIMIT depth.n) AS counted
) AS ready
WHERE due.since IS NOT NULL OR due.at IS NOT NULL
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

// nextSQL hops in the same way through the $2 workspaces that come after $1, whosever they are, and reads the first item of
// each of their priorities.
const nextSQL = `
WITH RECURSIVE backlog AS (
	(SELECT workspace_id, 1 AS n FROM sluice.execution_queue WHERE workspace_id > $1 ORDER BY workspace_id LIMIT 1)
	UNION ALL
	SELECT (SELECT q.workspace_id FROM sluice.execution_queue q WHERE q.workspace_id > b.workspace_id ORDER BY q.workspace_id LIMIT 1), n + 1
	FROM backlog b WHERE b.workspace_id IS NOT NULL AND n < $2
)
SELECT b.workspace_id, p.priority, head.available_at, head.id FROM backlog b CROSS JOIN generate_series(1, 5) AS p (priority)
CROSS JOIN LATERAL (
	SELECT q.available_at, q.id FROM sluice.execution_queue q
	WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority ORDER BY q.available_at, q.id LIMIT 1) AS head
ORDER BY 1`
