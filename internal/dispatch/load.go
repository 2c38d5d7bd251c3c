package dispatch

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

const (
	// loadLines and loadQuotas are how much is read by one statement while everything is loaded.
	loadLines  = 20_000
	loadQuotas = 20_000
)

// load reads everything, in one snapshot: the newest turn, the slots that are held, the first item of each line, the quotas of
// the workspaces that have any of these. Lines are read further when a plan needs them.
func (e *Engine) load(ctx context.Context) error {
	c := newCache()
	c.charges()
	c.anew = e.cache.in.Late()
	c.read = time.Now()
	c.decider, c.kept = e.cache.decider, e.cache.kept
	e.plan, e.locked, e.sweep = plan{}, nil, sweep{}
	tx, err := e.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return store.Wrap(err, "load the shard")
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	unstarted, err := c.load(ctx, tx, e.shard, &e.cache)
	if err != nil {
		return store.Wrap(err, "load the shard")
	}
	if err := tx.Commit(ctx); err != nil {
		return store.Wrap(err, "load the shard")
	}
	e.waiting = waiting{doubtful: unstarted > 0} // another process may have taken up what this one has claimed
	c.known, c.heard = true, c.read
	c.remember(&e.cache)
	e.cache = c
	e.cache.charges()
	return nil
}

func (c *cache) load(ctx context.Context, tx pgx.Tx, number int, before *cache) (unstarted int, err error) {
	var shard store.Shard
	var clocks []store.Clock
	var paused []store.Pause
	var members []uuid.UUID
	var slots []store.Slot
	err = store.Send(ctx, tx, func(b *pgx.Batch) {
		store.QueueShard(b, number, &shard)
		store.QueueClocks(b, number, &clocks)
		store.QueueCohortMembers(b, &members)
		store.QueuePauses(b, &paused)
		store.QueueRunning(b, number, func(s store.Slot) {
			slots = append(slots, s)
			if s.Undispatched {
				unstarted++
			}
		})
	})
	if err != nil {
		return 0, err
	}
	c.mark, c.asOf, c.now, c.turn, c.run = shard.Mark, shard.Now.UnixMicro(), shard.Now.UnixMicro(), shard.Turn, shard.Run
	c.setShard(shard)
	c.setPauses(paused)
	first, err := readBacklog(ctx, tx)
	if err != nil {
		return 0, err
	}
	ids := map[uuid.UUID]bool{}
	for _, id := range members {
		ids[id] = true
	}
	for _, s := range slots {
		ids[s.WorkspaceID] = true
	}
	for i := range first {
		ids[first[i].WorkspaceID] = true
	}
	if err := c.loadQuotas(ctx, tx, number, ids); err != nil {
		return 0, err
	}
	for _, k := range clocks {
		if c.anew {
			k.OwnClock, k.BorrowedClock = 0, 0
		}
		if _, known := c.cohorts[k.Cohort]; known || k.Cohort == "" {
			c.setClock(k)
		}
	}
	c.setLines(first)
	c.charge(slots, before)
	return unstarted, nil
}

// readBacklog reads the first item of each line there is.
func readBacklog(ctx context.Context, tx pgx.Tx) (first []store.FirstItem, err error) {
	var after store.FirstItem
	for {
		n := len(first)
		err = store.Send(ctx, tx, func(b *pgx.Batch) {
			store.QueueBacklog(b, after.WorkspaceID, after.Priority, loadLines, &first)
		})
		if err != nil || len(first)-n < loadLines {
			return first, err
		}
		after = first[len(first)-1]
	}
}

func (c *cache) loadQuotas(ctx context.Context, tx pgx.Tx, shard int, ids map[uuid.UUID]bool) error {
	chunk := make([]uuid.UUID, 0, min(len(ids), loadQuotas))
	read := func() error {
		return store.Send(ctx, tx, func(b *pgx.Batch) {
			store.QueueQuotas(b, shard, chunk, func(q store.Quota) { c.setQuota(q) })
		})
	}
	for id := range ids {
		if chunk = append(chunk, id); len(chunk) == loadQuotas {
			if err := read(); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	return read()
}

// setLines notes the first items of all lines there are. Where a known workspace has none at a priority there is nothing.
func (c *cache) setLines(first []store.FirstItem) {
	for _, w := range c.byID {
		for p := range w.lines {
			w.lines[p].done = true
		}
	}
	for _, f := range first {
		w := c.byID[f.WorkspaceID]
		if w == nil {
			c.foreign[f.WorkspaceID] = true
			continue
		}
		if c.lanePaused(w, lane{f.WorkflowType, f.DefinitionID}) {
			w.lines[f.Priority-1] = line{} // what lies behind it is not known
		} else {
			i := item{id: f.ID, definition: f.DefinitionID, at: f.AvailableAt.UnixMicro()}
			w.lines[f.Priority-1] = line{items: []item{i}, upTo: i.place()}
		}
		c.touch(w)
	}
}
