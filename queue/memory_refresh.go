package queue

import (
	"context"
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
	// A sweep reads one workspace after the other although nothing was heard of it: so many at once, so often, with a
	// pause before it begins anew. It finds what no bell tells: items that were cancelled, or passed over because somebody
	// held them.
	sweepAtOnce = 32
	sweepEvery  = 100 * time.Millisecond
	sweepPause  = 5 * time.Second
)

// refresh brings what is remembered up to the present.
func (m *Memory) refresh(ctx context.Context, batch int) error {
	if !m.known {
		return m.rebuild(ctx, batch)
	}
	before := m.shared
	heard, err := m.listen(ctx)
	if err != nil {
		return err
	}
	now := m.shared.Now
	if heard.claims != m.claims || now.Sub(before.Now) > forgetAfter {
		return m.rebuild(ctx, batch)
	}
	for _, b := range heard.bells {
		if b.WorkspaceID == uuid.Nil {
			return m.rebuild(ctx, batch) // a plan or a setting has changed
		}
		m.hear(b, now)
	}
	if heard.sweeps {
		m.sweep(heard.next)
	}
	used, all := m.outdated(batch)
	return m.reread(ctx, batch, used, all)
}

// bell is what all bells of a workspace tell together.
type bell struct {
	WorkspaceID uuid.UUID
	Due         *time.Time // when the first of the due items became available
	Scheduled   *time.Time
	Freed       bool
	Limits      bool
}

// news is what a refresh hears first.
type news struct {
	bells  []bell
	claims int64
	next   []uuid.UUID // if a part of the sweep is due: the workspaces that come next
	sweeps bool
}

// listen reads what has been rung since the last time, by transactions that the last time did not see, and everything
// but the workspaces.
func (m *Memory) listen(ctx context.Context) (n news, err error) {
	before := m.shared
	batch := &pgx.Batch{}
	m.shared = Capacity{}
	m.shared.queue(batch, m.queue.shard, &n.claims)
	batch.Queue(heardSQL, string(before.Mark), m.queue.shard).Query(func(rows pgx.Rows) (err error) {
		n.bells, err = pgx.CollectRows(rows, pgx.RowToStructByName[bell])
		return err
	})
	if n.sweeps = before.Now.Sub(m.sweptAt) >= m.sweepAfter(); n.sweeps {
		batch.Queue(nextSQL, m.swept, sweepAtOnce).Query(func(rows pgx.Rows) (err error) {
			n.next, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			return err
		})
	}
	return n, m.queue.pool.SendBatch(ctx, batch).Close()
}

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
SELECT b.* FROM together b JOIN sluice.settings n ON n.one AND (b.limits OR ` + ownerOfBell + ` = $2)`

// rebuild reads everything.
func (m *Memory) rebuild(ctx context.Context, batch int) error {
	var rows []workspaceRow
	m.shared = Capacity{}
	read := &pgx.Batch{}
	m.shared.queue(read, m.queue.shard, &m.claims)
	queueRows(read, &rows, capacitySQL, countBatches*batch, countLimits, nil, nil, m.queue.shard)
	if err := m.queue.pool.SendBatch(ctx, read).Close(); err != nil {
		return err
	}
	m.workspaces = make(map[uuid.UUID]*remembered, len(rows))
	m.desk.clear()
	for _, r := range rows {
		m.learn(r)
	}
	m.swept, m.sweptAt, m.open = uuid.Nil, m.shared.Now, time.Time{}
	return nil
}

// reread reads the usage of some workspaces again, and everything about others.
func (m *Memory) reread(ctx context.Context, batch int, used, all []uuid.UUID) error {
	var again []workspaceRow
	read := &pgx.Batch{}
	if len(used) > 0 {
		read.Queue(usageSQL, used).Query(m.noteUsage)
	}
	if len(all) > 0 {
		from := make([]cursors, len(all))
		for i, id := range all {
			from[i] = m.workspaces[id].cursors
		}
		at, ids := cursorArrays(from)
		queueRows(read, &again, againSQL, countBatches*batch, countLimits, at, ids, m.queue.shard, all)
	}
	if read.Len() == 0 {
		return nil
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

// sweepAfter is how long to wait before the next part of a sweep, or before the next sweep.
func (m *Memory) sweepAfter() time.Duration {
	if m.swept == uuid.Nil {
		return sweepPause
	}
	return sweepEvery
}

// sweep has the workspaces that come next read again from the beginning, and those it knows that should be among them.
func (m *Memory) sweep(next []uuid.UUID) {
	ended := len(next) < sweepAtOnce
	last := m.swept
	if !ended {
		last = next[len(next)-1]
	}
	for id, w := range m.workspaces {
		if after(id, m.swept) && (ended || !after(id, last)) {
			w.changed = everything
			m.touch(w)
		}
	}
	for _, id := range next {
		m.look(id)
		m.workspaces[id].cursors = cursors{}
	}
	m.swept, m.sweptAt = last, m.shared.Now
	if ended {
		m.swept = uuid.Nil
	}
}

const usageSQL = `
SELECT u.id, (SELECT count(*) FROM sluice.slots s WHERE s.workspace_id = u.id)::int, coalesce(s.own, 0), coalesce(s.borrowed, 0), s.tokens, s.tokens_at
FROM unnest($1::uuid[]) AS u (id) LEFT JOIN sluice.shares s ON s.workspace_id = u.id`

func (m *Memory) noteUsage(rows pgx.Rows) error {
	for rows.Next() {
		var id uuid.UUID
		var read WorkspaceCapacity
		if err := rows.Scan(&id, &read.Used, &read.Own, &read.Borrowed, &read.Tokens, &read.TokensAt); err != nil {
			return err
		}
		w := m.workspaces[id]
		w.Used, w.Own, w.Borrowed, w.Tokens, w.TokensAt = read.Used, read.Own, read.Borrowed, read.Tokens, read.TokensAt
		w.changed = nothing
		m.touch(w)
	}
	return rows.Err()
}
