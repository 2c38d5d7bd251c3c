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
	// pause before it begins anew. That is 3 % of a core, and finds what no bell tells: items that were cancelled.
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
	heard, claims, err := m.listen(ctx)
	if err != nil {
		return err
	}
	now := m.shared.Now
	if claims != m.claims || now.Sub(before.Now) > forgetAfter {
		return m.rebuild(ctx, batch)
	}
	for _, b := range heard {
		if b.WorkspaceID == uuid.Nil {
			return m.rebuild(ctx, batch) // a plan or a setting has changed
		}
		m.hear(b, now)
	}
	var used, all []uuid.UUID
	for id, w := range m.workspaces {
		switch {
		case w.changed == everything || w.stale(now, batch):
			all = append(all, id)
		case w.changed == usage:
			used = append(used, id)
		}
	}
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

// listen reads what has been rung since the last time, by transactions that the last time did not see, and everything
// but the workspaces.
func (m *Memory) listen(ctx context.Context) (heard []bell, claims int64, err error) {
	since := m.shared.Mark
	batch := &pgx.Batch{}
	m.shared = Capacity{}
	m.shared.queue(batch, m.shard, &claims)
	batch.Queue(`
		WITH heard AS (
			SELECT * FROM sluice.doorbell WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
			UNION ALL
			SELECT * FROM sluice.doorbell WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
		)
		SELECT workspace_id, min(available_at) FILTER (WHERE available_at <= now()) AS due, min(available_at) FILTER (WHERE available_at > now()) AS scheduled,
		       bool_or(available_at IS NULL AND NOT limits) AS freed, bool_or(limits) AS limits
		FROM heard GROUP BY 1`, string(since)).Query(func(rows pgx.Rows) (err error) {
		heard, err = pgx.CollectRows(rows, pgx.RowToStructByName[bell])
		return err
	})
	return heard, claims, m.queue.pool.SendBatch(ctx, batch).Close()
}

// rebuild reads everything.
func (m *Memory) rebuild(ctx context.Context, batch int) error {
	var rows []workspaceRow
	m.shared = Capacity{}
	read := &pgx.Batch{}
	m.shared.queue(read, m.shard, &m.claims)
	queueRows(read, &rows, capacitySQL, countBatches*batch, countLimits, nil, nil)
	if err := m.queue.pool.SendBatch(ctx, read).Close(); err != nil {
		return err
	}
	m.workspaces = make(map[uuid.UUID]*remembered, len(rows))
	for _, r := range rows {
		m.learn(r)
	}
	m.swept, m.sweptAt, m.open = uuid.Nil, m.shared.Now, time.Time{}
	return nil
}

// reread reads the usage of some workspaces again, everything about others, and a few more in turn.
func (m *Memory) reread(ctx context.Context, batch int, used, all []uuid.UUID) error {
	var again, swept []workspaceRow
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
		queueRows(read, &again, againSQL, countBatches*batch, countLimits, at, ids, all)
	}
	sweeps := m.shared.Now.Sub(m.sweptAt) >= m.sweepAfter()
	if sweeps {
		queueRows(read, &swept, sweepSQL, countBatches*batch, countLimits, nil, nil, m.swept, sweepAtOnce)
	}
	if read.Len() == 0 {
		return nil
	}
	if err := m.queue.pool.SendBatch(ctx, read).Close(); err != nil {
		return err
	}
	for _, id := range all {
		delete(m.workspaces, id)
	}
	for _, r := range again {
		m.learn(r)
	}
	if sweeps {
		m.sweep(swept)
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

// sweep replaces what is remembered of the workspaces that come next by what was read of them.
func (m *Memory) sweep(swept []workspaceRow) {
	m.sweptAt = m.shared.Now
	last := m.swept
	if len(swept) > 0 {
		last = swept[len(swept)-1].WorkspaceID
	}
	for id, w := range m.workspaces {
		switch {
		case after(id, m.swept) && !after(id, last):
			delete(m.workspaces, id)
		case after(id, last) && len(swept) < sweepAtOnce:
			w.changed = everything // nobody comes after the last
		}
	}
	for _, r := range swept {
		m.learn(r)
	}
	m.swept = last
	if len(swept) < sweepAtOnce {
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
	}
	return rows.Err()
}
