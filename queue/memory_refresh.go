package queue

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// forgetAfter is well below the age at which bells are deleted.
	forgetAfter = 5 * time.Minute
	// countBatches and countLimits bound how far ready items are counted: in batches, and in times the limit of their
	// workspace. What is counted once serves as many claims.
	countBatches = 4
	countLimits  = 4
	// Who is not known yet and has new items is read together with the bells, which spares a round trip: so many at once,
	// and for as long as the known are few enough to be told.
	readAtOnce = 16
	tellAtMost = 64
)

// refresh brings what is remembered up to the present.
func (m *Memory) refresh(ctx context.Context, batch int) error {
	if !m.known {
		return m.rebuild(ctx, batch)
	}
	before := m.shared
	heard, err := m.listen(ctx, batch)
	if err != nil {
		return err
	}
	now := m.shared.Now
	if heard.counted.claims != m.counted.claims || heard.counted.dispatch != m.counted.dispatch || now.Sub(before.Now) > forgetAfter {
		return m.rebuild(ctx, batch)
	}
	m.counted = heard.counted // a new run is nothing new
	read := make(map[uuid.UUID]bool, len(heard.read))
	for _, r := range heard.read {
		read[r.WorkspaceID] = true
		m.learn(r)
	}
	for _, b := range heard.bells {
		if b.WorkspaceID == uuid.Nil {
			return m.rebuild(ctx, batch) // a plan or a setting has changed
		}
		if !read[b.WorkspaceID] {
			m.hear(b, now)
		}
	}
	m.endSweep(heard.swept)
	return m.reread(ctx, batch)
}

// bell is what all bells of a workspace tell together.
type bell struct {
	WorkspaceID uuid.UUID
	Due         *time.Time // when the first of the due items became available
	Scheduled   *time.Time
	Freed       bool
	Limits      bool
	Used        int // if freed
}

func scanBell(row pgx.CollectableRow) (b bell, err error) {
	err = row.Scan(&b.WorkspaceID, &b.Due, &b.Scheduled, &b.Freed, &b.Limits, &b.Used)
	return b, err
}

// news is what a refresh hears first.
type news struct {
	bells   []bell
	read    []workspaceRow // those with new items of which nothing was known
	counted counters
	swept   swept
}

// listen reads what has been rung since the last time, by transactions that the last time did not see, and everything
// but the workspaces; of those only what is known to be outdated before.
func (m *Memory) listen(ctx context.Context, size int) (n news, err error) {
	before := m.shared
	batch := &pgx.Batch{}
	m.charges.queue(batch, m.queue.shard, m.counted)
	m.shared, n.counted.row = Capacity{}, m.counted.row
	m.shared.queue(batch, m.queue.shard, &n.counted, m.bounds)
	if m.hand.doubtful {
		m.hand.queue(batch, m.queue.shard)
	}
	var used []uuid.UUID
	n.swept, used = m.beginSweep(before.Now)
	var items []*remembered
	for _, w := range m.desk.touched {
		if w.changed == usage {
			used = append(used, w.WorkspaceID)
		}
		if w.changed < everything && w.stale(before.Now, size) {
			items = append(items, w)
		}
	}
	if len(used) > 0 {
		batch.Queue(usageSQL, used, m.bounds.all(used)).Query(m.noteUsage)
	}
	m.queueItems(batch, items, size)
	var known []uuid.UUID // nil: too many to tell
	if len(m.workspaces) <= tellAtMost {
		known = slices.AppendSeq([]uuid.UUID{}, maps.Keys(m.workspaces))
	}
	held, from := m.bounds.told()
	batch.Queue(heardSQL, string(before.Mark), m.queue.shard, known, held, from).Query(func(rows pgx.Rows) (err error) {
		n.bells, err = pgx.CollectRows(rows, scanBell)
		return err
	})
	m.queueSweep(batch, &n.swept)
	if known != nil {
		queueRows(batch, &n.read, toldSQL, countBatches*size, countLimits, nil, nil, m.queue.shard, string(before.Mark), known, readAtOnce, held, from)
	}
	return n, m.queue.pool.SendBatch(ctx, batch).Close()
}

// heardSQL reads the bells that the mark $1 has not seen and that are for the shard $2, and counts the slots of the known
// ($3) of whom some were freed, from the bounds $5 of $4 on.
const heardSQL = `
WITH heard AS (
	SELECT * FROM sluice.doorbell WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
	UNION ALL
	SELECT * FROM sluice.doorbell WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
), together AS (
	SELECT workspace_id, min(available_at) FILTER (WHERE available_at <= now()) AS due, min(available_at) FILTER (WHERE available_at > now()) AS scheduled,
	       bool_or(available_at IS NULL AND NOT limits) AS freed, bool_or(limits) AS limits
	FROM (SELECT unnest(coalesce(workspaces, ARRAY[workspace_id])) AS workspace_id, available_at, limits FROM heard) AS each GROUP BY 1
)
SELECT b.workspace_id, b.due, b.scheduled, b.freed, b.limits, CASE WHEN b.freed AND b.workspace_id = ANY (coalesce($3::uuid[], ARRAY[b.workspace_id]))
            THEN (SELECT count(*) FROM sluice.slots s WHERE s.workspace_id = b.workspace_id AND s.seq >= coalesce(held.bound, 0)) ELSE 0 END::int AS used
FROM together b JOIN sluice.settings n ON n.one AND (b.limits OR ` + ownerOfBell + ` = $2)
LEFT JOIN unnest($4::uuid[], $5::bigint[]) AS held (workspace_id, bound) ON held.workspace_id = b.workspace_id`

// toldSQL reads $8 workspaces with new items, but for those that are known ($7), and their slots from the bounds $10 of $9 on.
const toldSQL = `
WITH chosen AS (
	SELECT DISTINCT b.workspace_id, NULL::bigint AS place, coalesce(($10::bigint[])[array_position($9::uuid[], b.workspace_id)], 0) AS bound FROM (
		SELECT * FROM sluice.doorbell WHERE xid >= pg_snapshot_xmax($6::text::pg_snapshot)
		UNION ALL
		SELECT * FROM sluice.doorbell WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($6::text::pg_snapshot)))) AS heard
	CROSS JOIN LATERAL unnest(coalesce(workspaces, ARRAY[workspace_id])) AS b (workspace_id)
	WHERE available_at IS NOT NULL AND b.workspace_id <> ALL ($7::uuid[]) LIMIT $8)` + workspacesSQL

// rebuild reads everything.
func (m *Memory) rebuild(ctx context.Context, batch int) error {
	var rows []workspaceRow
	m.shared, m.bounds, m.charges = Capacity{}, bounds{}, charges{}
	read := &pgx.Batch{}
	m.shared.queue(read, m.queue.shard, &m.counted, m.bounds)
	m.hand.queue(read, m.queue.shard)
	queueRows(read, &rows, capacitySQL, countBatches*batch, countLimits, nil, nil, m.queue.shard)
	if err := m.queue.pool.SendBatch(ctx, read).Close(); err != nil {
		return err
	}
	m.workspaces = make(map[uuid.UUID]*remembered, len(rows))
	m.desk.clear()
	for _, r := range rows {
		m.learn(r)
	}
	m.sweep = sweep{at: m.shared.Now}
	return nil
}

// reread reads again what is outdated still.
func (m *Memory) reread(ctx context.Context, batch int) error {
	items, all := m.outdated(batch)
	if len(items)+len(all) == 0 {
		return nil
	}
	var again []workspaceRow
	read := &pgx.Batch{}
	m.queueItems(read, items, batch)
	if len(all) > 0 {
		from := make([]cursors, len(all))
		for i, id := range all {
			from[i] = m.workspaces[id].cursors
		}
		at, ids := cursorArrays(from)
		queueRows(read, &again, againSQL, countBatches*batch, countLimits, at, ids, m.queue.shard, all, m.bounds.all(all))
	}
	if err := m.queue.pool.SendBatch(ctx, read).Close(); err != nil {
		return err
	}
	for _, id := range all {
		m.forget(id)
	}
	for _, r := range again {
		m.learn(r)
	}
	return nil
}

// usageRow is what a workspace uses, and where that has brought it.
type usageRow struct {
	Used     int
	Own      int64
	Borrowed int64
	Tokens   *float64
	TokensAt *time.Time
}

// The limit keeps the planner from reading all shares at once, which it finds cheap while there are few.
const usageSQL = `
SELECT u.id, (SELECT count(*) FROM sluice.slots s WHERE s.workspace_id = u.id AND s.seq >= u.bound)::int, coalesce(s.own, 0), coalesce(s.borrowed, 0), s.tokens, s.tokens_at
FROM unnest($1::uuid[], $2::bigint[]) AS u (id, bound) LEFT JOIN LATERAL (SELECT * FROM sluice.shares s WHERE s.workspace_id = u.id LIMIT 1) AS s ON true`

func (m *Memory) noteUsage(rows pgx.Rows) error {
	for rows.Next() {
		var id uuid.UUID
		var read usageRow
		if err := rows.Scan(&id, &read.Used, &read.Own, &read.Borrowed, &read.Tokens, &read.TokensAt); err != nil {
			return err
		}
		w := m.workspaces[id]
		w.use(read)
		if w.changed == usage {
			w.changed = nothing
		}
		m.touch(w)
	}
	return rows.Err()
}

func (w *remembered) use(u usageRow) {
	w.Used, w.Own, w.Borrowed, w.Tokens, w.TokensAt = u.Used, u.Own, u.Borrowed, u.Tokens, u.TokensAt
}
