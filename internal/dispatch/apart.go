package dispatch

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// parts is a plan that is claimed by parts.
type parts struct {
	result  store.ClaimResult // of all of them together
	refused []refused
	lost    bool // a turn was taken by another, or an answer is missing: there is no going on
}

// refused is an item that the database does not let be claimed.
type refused struct {
	pick
	why error
}

// claimApart claims a plan that the database has refused as a whole, which it does because of single items: by halves, down to
// these. Nothing of the whole has been done. Each part takes a turn of its own. The news are heard the next time.
func (e *Engine) claimApart(ctx context.Context) (Claimed, error) {
	all, p := slices.Clone(e.plan.taken), &parts{}
	err := e.claimParts(ctx, all, p)
	if err != nil {
		e.cache.known = false
		e.plan = plan{}
		e.waiting.doubtful = true
		return Claimed{New: len(p.result.Items)}, store.Wrap(err, "claim executions apart")
	}
	claimed := Claimed{New: len(p.result.Items)}
	missing := slices.DeleteFunc(e.book(p.result, &claimed), func(m pick) bool {
		return slices.ContainsFunc(p.refused, func(r refused) bool { return r.id == m.id })
	})
	if p.lost {
		for i := range missing {
			e.putBackItem(&missing[i])
		}
		missing = nil
	}
	for _, r := range p.refused {
		e.refuse(ctx, r)
	}
	if len(missing) > 0 {
		claimed.Expired, err = e.explain(ctx, missing)
	}
	claimed.Unstarted = e.waiting.count()
	return claimed, err
}

func (e *Engine) claimParts(ctx context.Context, part []pick, p *parts) error {
	if p.lost {
		return nil
	}
	var result store.ClaimResult
	err := store.SendClaim(ctx, e.pool, e.shard, func(b *pgx.Batch) { store.QueueClaim(b, e.request(part), &result) })
	switch {
	case store.IsRefusal(err) && len(part) == 1:
		p.refused = append(p.refused, refused{part[0], err})
		return nil
	case store.IsRefusal(err):
		if err := e.claimParts(ctx, part[:len(part)/2], p); err != nil {
			return err
		}
		return e.claimParts(ctx, part[len(part)/2:], p)
	case err != nil:
		return err
	case !result.Taken:
		p.lost = true
		return nil
	}
	e.cache.turn++
	p.result.At, p.result.Taken = result.At, true
	p.result.Items = append(p.result.Items, result.Items...)
	return nil
}

// refuse deals with one item that cannot be claimed: a second row of an item is dropped, another is put off, and ends when that
// does not help. One that cannot even be changed is left alone for a while.
func (e *Engine) refuse(ctx context.Context, r refused) {
	dropped, err := store.DropTwice(ctx, e.pool, []uuid.UUID{r.id})
	if err == nil && len(dropped) == 0 {
		_, err = store.PutOff(ctx, e.pool, r.id, r.why)
	}
	e.tell(r.id, "an item cannot be claimed", "workspace", r.of.view.ID, "error", r.why, "dropped", len(dropped) > 0)
	if err != nil {
		e.leaveAlone(r.pick, refusedFor)
		return
	}
	r.of.cut(e.cache.now) // when it is put off, it comes again behind that
	e.cache.touch(r.of)
}

// refusedFor is how long an item is left alone that the database lets neither be claimed nor put off.
const refusedFor = time.Minute

// twice deals with rows of items that already hold a slot.
func (e *Engine) twice(ctx context.Context) error {
	if len(e.doubled) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(e.doubled))
	for i := range e.doubled {
		ids[i] = e.doubled[i].id
	}
	dropped, err := store.DropTwice(ctx, e.pool, ids)
	for _, d := range e.doubled {
		if err != nil || !slices.Contains(dropped, d.id) {
			e.leaveAlone(d, lockedFor) // it has been given back since, or the news of that are still to come
			continue
		}
		e.tell(d.id, "an item was pending although it had been claimed before", "workspace", d.of.view.ID)
	}
	e.doubled = e.doubled[:0]
	if store.IsRefusal(err) {
		return nil
	}
	return err
}

// leaveAlone has an item tried again after a while.
func (e *Engine) leaveAlone(p pick, wait time.Duration) {
	e.locked = append(e.locked, lockedItem{p, p.of.view.ID, e.cache.now + wait.Microseconds()})
}

// tell logs something about an item, once.
func (e *Engine) tell(id uuid.UUID, message string, args ...any) {
	if e.told == nil || len(e.told) >= mostTold {
		e.told = map[uuid.UUID]string{}
	}
	if e.told[id] == message {
		return
	}
	e.told[id] = message
	e.engines.log.Warn(message, append([]any{"item", id, "shard", e.shard}, args...)...)
}

// mostTold is of how many items it is known what was told of them.
const mostTold = 10_000
