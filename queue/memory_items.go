package queue

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// depth is how far the ready items of a priority are counted.
func (w *remembered) depth(batch int) int {
	return min(countBatches*batch, countLimits*max(1, w.Limit))
}

// queueItems adds a statement to the batch that reads the items of some workspaces again, and notes what it finds: nothing
// is read of a priority that is known to have none, nor what else is remembered of them.
func (m *Memory) queueItems(read *pgx.Batch, all []*remembered, batch int) {
	if len(all) == 0 {
		return
	}
	var ids, heads []uuid.UUID
	var places, depths []int
	var at []pgtype.Timestamptz
	for _, w := range all {
		for i, c := range w.cursors {
			if !c.past {
				ids, places, at, heads = append(ids, w.WorkspaceID), append(places, i+1), append(at, c.timestamp()), append(heads, c.id)
				depths = append(depths, w.depth(batch))
			}
		}
	}
	read.Queue(itemsSQL, ids, places, at, heads, depths).Query(func(rows pgx.Rows) error {
		for _, w := range all {
			w.Ready, w.Since, w.NextDue, w.more, w.cursors = 0, nil, nil, false, nowhere
			m.touch(w)
		}
		for rows.Next() {
			var id uuid.UUID
			var priority, ready int
			var first cursor
			var later *time.Time
			if err := rows.Scan(&id, &priority, &ready, &first.at, &first.id, &later); err != nil {
				return err
			}
			m.workspaces[id].find(priority, ready, first, later, batch)
		}
		return rows.Err()
	})
}

// find notes what waits at a priority.
func (w *remembered) find(priority, ready int, first cursor, later *time.Time, batch int) {
	w.cursors[priority-1] = first
	w.Ready += ready
	w.more = w.more || ready >= w.depth(batch)
	if ready > 0 {
		w.Since = earlier(w.Since, &first.at)
	}
	w.NextDue = earlier(w.NextDue, later)
}

// earlier is the earlier of two moments, nil meaning never.
func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// itemsSQL reads one range of the claim index for each place: what waits at a priority $2 of a workspace $1 from ($3, $4) on,
// with ready items counted up to $5. A few items are read once. Where there are more, those that are ready are counted by
// themselves, and the next scheduled one is looked for behind them: there may be many.
const itemsSQL = `
SELECT p.workspace_id, p.priority,
       CASE WHEN few.n < 8 THEN few.ready ELSE (
           SELECT count(*) FROM (
               SELECT FROM sluice.execution_queue q
               WHERE q.workspace_id = p.workspace_id AND q.priority = p.priority AND q.available_at <= now() AND (q.available_at, q.id) >= (few.at, few.id)
               LIMIT p.depth) AS item) END::int AS ready,
       few.at, few.id,
       CASE WHEN few.n < 8 THEN few.later ELSE (
           SELECT q.available_at FROM sluice.execution_queue q
           WHERE q.workspace_id = p.workspace_id AND q.priority = p.priority AND q.available_at > now()
           ORDER BY q.available_at LIMIT 1) END AS later
FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::uuid[], $5::int[]) AS p (workspace_id, priority, at, id, depth)
CROSS JOIN LATERAL (
	SELECT count(*) AS n, count(*) FILTER (WHERE item.available_at <= now()) AS ready, min(item.available_at) AS at,
	       (array_agg(item.id))[1] AS id, min(item.available_at) FILTER (WHERE item.available_at > now()) AS later
	FROM (
		SELECT q.available_at, q.id FROM sluice.execution_queue q
		WHERE q.workspace_id = p.workspace_id AND q.priority = p.priority AND (q.available_at, q.id) >= (p.at, p.id)
		ORDER BY q.available_at, q.id LIMIT 8) AS item) AS few
WHERE few.n > 0`
