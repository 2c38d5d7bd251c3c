package dispatch

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/admission"
	"sluice/internal/admission/slots"
	"sluice/internal/store"
)

// Claimed counts what a claim has done.
type Claimed struct {
	New       int
	Unstarted int // claims that wait for a start, the new ones among them
	Expired   int // items that the plan met and that have ended EXPIRED
	// Waits is how long each of the new ones has waited since it was available, by plan and by what kept its workspace's items in the cycle
	// before; the plan "" is for those whose workspace is gone.
	Waits map[Kept][]time.Duration
}

// Claim takes the items of the last plan, in one statement that does nothing if the plan rests on something that has changed.
// The same round trip brings the cache up to date. A call that is repeated claims nothing: its plan is gone.
func (e *Engine) Claim(ctx context.Context, run int64) (Claimed, error) {
	defer e.lock()()
	c := &e.cache
	if e.plan.run != run || !c.known {
		e.putBack()
		return Claimed{Unstarted: e.waiting.count()}, nil
	}
	batch := c.in.Batch
	release, err := e.insist(ctx, func() error { return e.planAgain(ctx, run, batch) })
	if err != nil {
		e.putBack()
		return Claimed{Unstarted: e.waiting.count()}, err
	}
	defer release()
	if err := e.learnVersions(ctx); err != nil {
		e.putBack()
		return Claimed{}, err
	}
	var result store.ClaimResult
	h := e.hearing(c.in.Batch)
	h.claims = len(e.plan.taken) > 0
	e.plan.asked = time.Now().Round(0)
	err = store.SendClaim(ctx, e.pool, e.shard, func(b *pgx.Batch) {
		if h.claims {
			store.QueueClaim(b, e.request(e.plan.taken), &result)
		}
		h.queue(b)
	})
	switch {
	case store.IsRefusal(err) && len(e.plan.taken) > 0:
		return e.claimApart(ctx)
	case errors.Is(err, store.ErrHeld): // nothing was done
		e.putBack()
		return Claimed{Unstarted: e.waiting.count()}, store.Wrap(err, "claim executions")
	case err != nil:
		c.known = false // it may or may not have committed
		e.plan = plan{}
		e.waiting.doubtful = true
		return Claimed{}, store.Wrap(err, "claim executions")
	}
	claimed := Claimed{New: len(result.Items)}
	var missing []pick
	known, asked := c.turn, len(e.plan.taken) > 0
	if asked {
		e.tried(result.Taken)
	}
	if result.Taken {
		c.turn++
		missing = e.book(result, &claimed)
	} else {
		e.putBack()
	}
	if err := e.apply(ctx, h); err != nil {
		return claimed, err
	}
	if asked && c.turn == known {
		c.known = false // the turn was not to be had, and the journal does not tell why: it is not the one that was known
	}
	if len(missing) > 0 {
		claimed.Expired, err = e.explain(ctx, missing)
	}
	if err == nil {
		err = e.keepTimes(ctx)
	}
	claimed.Unstarted = e.waiting.count()
	return claimed, err
}

// request takes some of the plan.
func (e *Engine) request(picks []pick) store.ClaimRequest {
	n := len(picks)
	r := store.ClaimRequest{
		Shard: e.shard, Turn: e.cache.turn + 1, Items: make([]uuid.UUID, n), Versions: make([]uuid.UUID, n), Now: time.UnixMicro(e.cache.now),
	}
	if until := e.cache.holdsUntil(); until != never {
		r.Until = time.UnixMicro(until)
	}
	for i := range picks {
		p := &picks[i]
		r.Items[i], r.Versions[i] = p.id, p.of.versions[p.definition].VersionID
	}
	for _, g := range e.plan.decision.Grants {
		if w := &e.cache.in.Workspaces[g.Workspace]; w.PerSecond > 0 {
			r.Rated, r.Tokens = append(r.Rated, w.ID), append(r.Tokens, w.Left(r.Now, g.Slots))
		}
	}
	return r
}

// book notes what a claim has taken of its plan, and returns what it has not.
func (e *Engine) book(result store.ClaimResult, claimed *Claimed) (missing []pick) {
	c, taken := &e.cache, e.plan.taken
	got := make(map[*workspace]int, len(e.plan.decision.Grants))
	began := make([]started, 0, len(result.Items))
	claimed.Waits = map[Kept][]time.Duration{}
	for _, item := range result.Items {
		i, ok := slices.BinarySearchFunc(taken, item.ID, func(p pick, id uuid.UUID) int { return bytes.Compare(p.id[:], id[:]) })
		if !ok {
			continue
		}
		p := &taken[i]
		p.claimed = true
		got[p.of]++
		kept := Kept{p.of.plan, p.keptBy()}
		claimed.Waits[kept] = append(claimed.Waits[kept], max(0, result.At.Sub(time.UnixMicro(p.at))))
		h := &held{of: p.of} // Charge counts it
		c.held[item.ID] = h
		began = append(began, started{h, kindOf(p, item), p.of.view.Next(p.of.view.Used + got[p.of] - 1)})
		e.waiting.add(p, item, e.plan.asked)
	}
	e.charge(got)
	for _, s := range began {
		c.ledger.Begin(&s.held.Hold, &s.held.of.account, s.kind, s.class, time.UnixMicro(c.now))
	}
	for i := range taken {
		if !taken[i].claimed {
			missing = append(missing, taken[i])
		}
	}
	e.plan = plan{taken: taken[:0]}
	return missing
}

// started is an execution that a claim has taken.
type started struct {
	*held
	kind  slots.Kind
	class admission.Class
}

// kindOf is what an execution has in common with those that are expected to take as long.
func kindOf(p *pick, item store.Claimed) slots.Kind {
	if item.Workflow != nil {
		return slots.Kind{Type: item.Workflow.Type}
	}
	return slots.Kind{Definition: p.definition}
}

// charge books what was taken in slots, tokens and virtual time.
func (e *Engine) charge(got map[*workspace]int) {
	c, d := &e.cache, e.plan.decision
	claimed := make([]admission.Grant, 0, len(d.Grants))
	for _, g := range d.Grants {
		if n := got[c.whose[g.Workspace]]; n > 0 {
			g.Slots = n
			claimed = append(claimed, g)
		}
	}
	c.in.Charge(d, claimed)
	for _, g := range claimed {
		w := c.whose[g.Workspace]
		laid := &c.in.Workspaces[g.Workspace]
		w.view.Used, w.view.Tags, w.view.Bucket = laid.Used, laid.Tags, laid.Bucket
		c.touch(w)
		if d.Contended {
			c.dirty[w] = true
		}
	}
}

// explain finds out why items were not claimed. Those whose time is over end; those that another transaction holds are tried
// again later, and those that have been given another place are read there; the others are gone.
func (e *Engine) explain(ctx context.Context, missing []pick) (expired int, err error) {
	ids := make([]uuid.UUID, len(missing))
	for i, m := range missing {
		ids[i] = m.id
	}
	there, err := store.FindMissing(ctx, e.pool, ids)
	if err != nil {
		return 0, err
	}
	var over []uuid.UUID
	for _, t := range there {
		i := slices.IndexFunc(missing, func(m pick) bool { return m.id == t.ID })
		if t.Expired {
			over = append(over, t.ID)
			continue
		}
		if m := &missing[i]; t.Priority != int(m.priority)+1 || t.AvailableAt.UnixMicro() != m.at {
			m.of.cut(min(t.AvailableAt.UnixMicro(), m.at)) // it was given another place
			e.cache.touch(m.of)
			continue
		}
		e.leaveAlone(missing[i], lockedFor)
	}
	ended, err := store.EndPending(ctx, e.pool, over, store.Refusal{Status: "EXPIRED", Reason: "expired", Actor: "dispatcher"})
	return len(ended), err
}
