package dispatch

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// hearing is one look at what is new, with what is read on the occasion.
type hearing struct {
	engine *Engine
	began  time.Time
	claims bool // a claim is made on the occasion, see keepTimes
	news   store.News
	scan   scan
	sweep  sweeping
}

func (e *Engine) hearing(batch int) *hearing {
	h := &hearing{engine: e, began: time.Now(), scan: scan{batch: batch}}
	h.scan.refill(&e.cache)
	return h
}

// queue adds the statements. News come first: what a later statement finds, and is not among them, is heard the next time.
func (h *hearing) queue(b *pgx.Batch) {
	e := h.engine
	store.QueueHear(b, e.shard, e.cache.turn, e.cache.mark, &h.news)
	h.scan.queue(b)
	e.sweep.queue(b, h.began, &h.sweep)
	if !h.claims {
		e.queueTimes(b)
	}
}

// hear brings the cache up to date. Where it cannot tell what has happened, it forgets what it knows.
func (e *Engine) hear(ctx context.Context, batch int) error {
	e.putBack()
	h := e.hearing(batch)
	if err := store.Send(ctx, e.pool, h.queue); err != nil {
		return e.unheard(store.Wrap(err, "hear what is new"))
	}
	return e.apply(ctx, h)
}

// unheard forgets what is known where the news cannot be read, whatever they are: everything is loaded again, and the news that
// come after that are others.
func (e *Engine) unheard(err error) error {
	if store.IsUnreadable(err) {
		e.cache.known = false
		return nil
	}
	return err
}

// again is what must be read after something was heard.
type again struct {
	shard    bool
	pauses   bool
	all      bool        // the quotas of all workspaces
	quotas   []uuid.UUID // of these
	regained []uuid.UUID // the slots of these
	lines    []*workspace
	fresh    []uuid.UUID // workspaces that were not known
	doubled  []pick      // rows of items that hold a slot
}

func (a *again) any() bool {
	return a.shard || a.all || a.pauses || len(a.quotas)+len(a.regained)+len(a.fresh) > 0
}

// apply notes what was heard. Freed slots come before slots that are read again: a snapshot that shows an execution regain its slot also
// shows that it had given it back.
func (e *Engine) apply(ctx context.Context, h *hearing) error {
	c, n := &e.cache, &h.news
	if n.Younger || c.known && n.Now.Sub(time.UnixMicro(c.asOf)) > forgetAfter {
		c.known = false
	}
	if !c.known {
		return nil
	}
	if n.Now.UnixMicro() < c.now-jump.Microseconds() {
		c.known = false // the clock was ahead; what is kept of times is not to be counted with
		_, err := store.SetRight(ctx, e.pool)
		return err
	}
	c.mark, c.asOf, c.heard = n.Mark, n.Now.UnixMicro(), h.began
	c.pass(n.Now) // slots that are freed now were held until now, and not until the last decision
	var a again
	if !e.follow(n.Turns, &a) || c.pauses.ends <= c.now && !c.setPauses(c.pauses.rows) {
		c.known = false
		return nil
	}
	a.quotas = append(a.quotas, c.passed()...)
	for i := range n.Events {
		e.note(&n.Events[i], &a)
	}
	h.scan.read(c)
	e.sweep.compare(c, &h.sweep, &a)
	e.doubled = append(e.doubled, a.doubled...)
	if !a.any() {
		return e.scanLines(ctx, a.lines, h.scan.batch)
	}
	if err := e.readAgain(ctx, &a, h.scan.batch); err != nil {
		c.known = false
		return err
	}
	return nil
}

// jump is by how much the database's clock goes back before that is more than its being set right.
const jump = time.Second

// forgetAfter is well below the age at which recovery deletes events.
const forgetAfter = 5 * time.Minute

// follow goes through the turns of others. It returns false where they make everything that is known worthless: another
// process has claimed, or workspaces have changed their owner.
func (e *Engine) follow(turns []store.Turn, a *again) bool {
	c := &e.cache
	for _, t := range turns {
		if t.Number <= c.turn {
			continue // its own
		}
		w := c.byID[t.WorkspaceID]
		switch t.Kind {
		case store.TurnRun:
			c.run = t.Number
			e.waiting.doubtful = true // what the run before was handed it may not have started, and nothing else will tell
		case store.TurnSettings, store.TurnAllotment:
			a.shard = true
		case store.TurnLimits:
			if t.WorkspaceID == uuid.Nil {
				a.all = true
			} else if w != nil {
				a.quotas = append(a.quotas, t.WorkspaceID)
			}
		case store.TurnPauses:
			a.pauses = true
		case store.TurnDefinitions:
			a.pauses = a.pauses || c.pauses.ofDefinitions() // one may have another owner
			if t.WorkspaceID == uuid.Nil {
				for _, w := range c.byID {
					w.versions = nil
				}
			} else if w != nil {
				w.versions = nil
			}
		case store.TurnRegained:
			a.regained = append(a.regained, t.WorkspaceID)
			e.arrived(t.WorkspaceID, a) // or one that was not known is known by its slots alone, and may use none
		default:
			return false
		}
		c.turn = t.Number
	}
	return true
}

// note takes in an event.
func (e *Engine) note(event *store.Event, a *again) {
	c := &e.cache
	for _, id := range event.Freed {
		c.free(id, true)
	}
	if len(event.Freed) > 0 && c.shards > 1 && c.limit != nil {
		e.allotment.asked = time.Time{} // what another shard gives back may be for this one
	}
	switch of := event.WorkspaceID; {
	case of != uuid.Nil && (event.ItemID == uuid.Nil || event.Priority < 1 || event.Priority > priorities):
		// Somebody wrote it by hand, who may not know which item it is.
		if w := e.arrived(of, a); w != nil {
			w.cut(store.Earliest.UnixMicro())
		}
	case of != uuid.Nil:
		i := item{id: event.ItemID, definition: event.DefinitionID, at: event.AvailableAt.UnixMicro()}
		if w := e.arrived(of, a); w != nil && c.held[i.id] == nil {
			if c.arrive(w, event.Priority-1, i) {
				a.lines = append(a.lines, w)
			}
		}
	}
	for _, id := range event.Workspaces {
		if w := e.arrived(id, a); w != nil {
			w.cut(event.AvailableAt.UnixMicro())
			if event.Priority > 0 { // they have been given another place: what is known already may not go first
				a.lines = append(a.lines, w)
			}
		}
	}
}

// arrived returns the workspace of an item that has arrived, or of a slot that is held again. One that is not known is read.
func (e *Engine) arrived(id uuid.UUID, a *again) *workspace {
	c := &e.cache
	w := c.byID[id]
	switch {
	case w != nil:
		w.swept = false
		c.touch(w)
	case !c.foreign[id]:
		c.foreign[id] = true // until its quota says otherwise
		a.fresh = append(a.fresh, id)
	}
	return w
}

// readAgain reads what has changed: after everything that was heard, so what is freed later is heard later.
func (e *Engine) readAgain(ctx context.Context, a *again, batch int) error {
	c := &e.cache
	if a.all {
		a.quotas = a.quotas[:0]
		for id := range c.byID {
			a.quotas = append(a.quotas, id)
		}
	}
	for _, id := range a.quotas {
		c.close(id)
	}
	if len(a.regained) > 0 {
		c.read = time.Now()
	}
	var shard store.Shard
	same := true
	var slots []store.Slot
	var paused []store.Pause
	err := store.Send(ctx, e.pool, func(b *pgx.Batch) {
		if a.shard {
			store.QueueShard(b, e.shard, &shard)
		}
		if a.pauses {
			store.QueuePauses(b, &paused)
		}
		store.QueueQuotas(b, e.shard, append(a.quotas, a.fresh...), func(q store.Quota) { same = c.setQuota(q) && same })
		for _, id := range a.regained {
			store.QueueRunningOf(b, id, func(s store.Slot) { slots = append(slots, s) })
		}
	})
	if err != nil {
		return store.Wrap(err, "read what has changed")
	}
	if a.shard {
		same = c.setShard(shard) && same
	}
	for _, id := range a.regained {
		c.freeAllOf(id)
	}
	for _, s := range slots {
		c.hold(s, c.workspace(s.WorkspaceID))
	}
	for _, id := range a.fresh {
		if w := c.byID[id]; w != nil {
			a.lines = append(a.lines, w)
		}
	}
	c.known = same && (!a.pauses || c.setPauses(paused))
	return e.scanLines(ctx, a.lines, batch)
}

// close has a workspace use nothing until its quota is read: one that is gone, or another shard's, is not. A sweep that has begun since it was
// heard of may have forgotten it.
func (c *cache) close(id uuid.UUID) {
	if w := c.byID[id]; w != nil {
		w.view.Ceiling = 0
		delete(c.passing, w)
		c.touch(w)
	}
}

// workspace is the one of an id, known from now on.
func (c *cache) workspace(id uuid.UUID) *workspace {
	if w := c.byID[id]; w != nil {
		return w
	}
	return c.add(id)
}

// freeAllOf forgets the slots of a workspace, which are about to be noted anew.
func (c *cache) freeAllOf(id uuid.UUID) {
	w := c.byID[id]
	if w == nil || w.view.Used == 0 {
		return
	}
	for execution, h := range c.held {
		if h.of == w {
			c.free(execution, false)
		}
	}
}
