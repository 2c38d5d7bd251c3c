package dispatch

import (
	"math"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/admission/slots"
	"sluice/internal/store"
)

// priorities is how many there are: 1 (first) to 5.
const priorities = 5

const never = math.MaxInt64

// cache is what an engine knows of its shard: everything that a plan rests on. It may know less room than there is, never
// more: what could take room away takes a turn, and a claim that has not heard of a turn does nothing.
type cache struct {
	known bool
	turn  int64  // the newest that is known, with all that it did
	run   int64  // the turn with which the run took the shard over
	mark  string // the snapshot in which events were last read,
	asOf  int64  // and the database's clock then, in microseconds
	now   int64  // the newest time of the database's clock that is known, in microseconds
	heard time.Time
	read  time.Time // when slots were last read from Postgres

	shards int
	limit  *int // of all workspaces together
	ageing int64

	byID    map[uuid.UUID]*workspace
	held    map[uuid.UUID]*held // executions that hold a slot
	foreign map[uuid.UUID]bool  // workspaces that belong to other shards, or are gone
	cohorts map[string]int
	plans   []string // the first is that of workspaces that are gone

	// Workspaces that wait lie side by side as the policy takes them: a decision runs over all of them, and looks closely at
	// those that have changed.
	in      admission.Input
	whose   []*workspace // at the same places
	due     []int64      // at the same places: when the next scheduled item is ready
	left    []left       // at the same places
	changed []int32      // places, since the last decision
	decided bool
	// contended tells whether somebody was left to wait by the last decision.
	contended bool
	waiting   map[Kept]int // as it was noted last
	noted     time.Time
	decider   admission.Decider
	ledger    slots.Ledger
	anew      bool // its clocks began anew: those on record have come too far

	touched []*workspace // to be laid out again
	hungry  []*workspace // may have more items that are ready than are known
	dirty   map[*workspace]bool
	pauses  pauses
	passing map[*workspace]int64 // when the first of their limits for a time ends, of those that have any
	kept    time.Time            // when virtual times were last put on record
}

// workspace is what is known of a workspace.
type workspace struct {
	name, plan string
	planIndex  int32               // in cache.plans
	kept       admission.Cause     // what its items waited for, when it comes to have a place
	view       admission.Workspace // as the policy takes it
	account    slots.Account
	lines      [priorities]line
	due        int64
	place      int // in cache.whose, from 1 on; 0: it does not wait
	touched    bool
	hungry     bool
	swept      bool  // a sweep has found nothing of it
	lanes      lanes // of it that are paused, without those that are in all workspaces
	epoch      int   // how often its lines were read anew
	reread     int64 // when one of them was read from its beginning because only items of paused lanes were known
	versions   map[uuid.UUID]store.Definition
}

// held is a slot that an execution holds.
type held struct {
	of *workspace
	slots.Hold
}

// charges has the ledger keep the virtual times of this cache, wherever it lies.
func (c *cache) charges() {
	c.ledger.Input = &c.in
	c.ledger.Touched = func(a *slots.Account) { c.touch(a.Owner.(*workspace)) }
	c.ledger.Learn()
}

func newCache() cache {
	return cache{
		byID: map[uuid.UUID]*workspace{}, held: map[uuid.UUID]*held{}, foreign: map[uuid.UUID]bool{}, cohorts: map[string]int{}, plans: []string{""},
		dirty: map[*workspace]bool{}, pauses: pauses{ends: never}, passing: map[*workspace]int64{}, kept: time.Now(),
	}
}

// add makes a workspace known. Until its quota is read it may use nothing.
func (c *cache) add(id uuid.UUID) *workspace {
	w := &workspace{view: admission.Workspace{ID: id, Cohort: admission.NoCohort, Weight: 1}, due: never, kept: admission.NoCause}
	w.account = slots.Account{Workspace: &w.view, Owner: w}
	c.byID[id] = w
	c.pause(w)
	return w
}

// touch has a workspace laid out anew before the next decision. Everything that changes what is known of one must call it.
func (c *cache) touch(w *workspace) {
	if !w.touched {
		w.touched = true
		c.touched = append(c.touched, w)
	}
}

// hold notes that an execution holds a slot, which it took at a time. It is a set: to note one twice changes nothing.
func (c *cache) hold(s store.Slot, w *workspace) {
	if c.held[s.ID] != nil {
		return
	}
	h := &held{of: w}
	c.held[s.ID] = h
	class := w.view.Next(w.view.Used)
	c.use(w, 1)
	c.ledger.Resume(&h.Hold, &w.account, slots.Kind{Definition: s.DefinitionID, Type: s.WorkflowType}, class, s.Since, time.UnixMicro(c.now))
}

// free notes that an execution has ended and given its slot back, if it was known to hold one. Of one that has not been started
// nothing is learnt.
func (c *cache) free(id uuid.UUID, ended bool) bool {
	h := c.held[id]
	if h == nil {
		return false
	}
	delete(c.held, id)
	if now := time.UnixMicro(c.now); ended {
		c.ledger.End(&h.Hold, now)
	} else {
		c.ledger.Drop(&h.Hold, now)
	}
	c.use(h.of, -1)
	if c.contended && h.of.plan != "" {
		c.dirty[h.of] = true // it may have been given something back
	}
	return true
}

// pass has time pass by the database's clock. What is read at the same time by two connections may come in any order.
func (c *cache) pass(to time.Time) {
	c.now = max(c.now, to.UnixMicro())
	c.in.Pass(time.UnixMicro(c.now))
}

func (c *cache) use(w *workspace, n int) {
	pooled := w.view.Pooled()
	w.view.Used += n
	c.in.Global.Used += n
	if w.view.Cohort != admission.NoCohort {
		c.in.Cohorts[w.view.Cohort].Used += w.view.Pooled() - pooled
	}
	c.touch(w)
}

// setShard takes over what holds for the shard as a whole. It returns false where fairness counts something else from now on: then what
// is known of virtual times is worth nothing.
func (c *cache) setShard(s store.Shard) bool {
	same := c.in.CountsSlotTime == s.SlotTime
	c.in.CountsSlotTime = s.SlotTime
	c.shards, c.limit, c.ageing = s.Shards, s.Limit, s.AgeingStep.Microseconds()
	switch {
	case s.Limit == nil:
		c.in.Global.Limit = admission.Unlimited
	case s.Shards == 1:
		c.in.Global.Limit = *s.Limit
	default:
		c.in.Global.Limit = s.Allotment
	}
	return same
}

// setQuota takes over what a workspace may use. Where it stands in virtual time, and its tokens, the cache knows better, unless
// the workspace is new to it. It returns false for a workspace that has changed its cohort, which is an owner's change.
func (c *cache) setQuota(q store.Quota) bool {
	delete(c.foreign, q.WorkspaceID)
	w, isNew := c.byID[q.WorkspaceID], false
	if w == nil {
		w, isNew = c.add(q.WorkspaceID), true
	}
	v := &w.view
	if isNew || w.plan == "" {
		v.Tags = admission.Tags{admission.Recorded(q.Own), admission.Recorded(q.Borrowed)}
		w.account.Mean = slots.Known(q.SlotTime)
		w.account.Recall(q.SlotTimes)
		if q.Tokens != nil && q.TokensAt != nil {
			v.Bucket = admission.Bucket{Tokens: *q.Tokens, At: *q.TokensAt}.Until(time.UnixMicro(c.now))
		}
	}
	cohort := admission.NoCohort
	if q.Cohort != nil {
		cohort = c.cohort(*q.Cohort)
	}
	c.in.Reweigh(v, q.Weight)
	if v.Cohort != cohort {
		if v.Cohort != admission.NoCohort || v.Used > 0 {
			return false
		}
		v.Cohort = cohort
	} else if cohort != admission.NoCohort {
		k := &c.in.Cohorts[cohort]
		k.Limit, k.Weight, k.Used = k.Limit-v.Lends(), k.Weight-v.Weight, k.Used-v.Pooled()
	}
	w.name, w.plan = q.Name, q.Plan
	w.planIndex = c.planIndex(q.Plan)
	v.Quota = admission.Quota{Ceiling: q.Ceiling, Nominal: q.Nominal, BorrowingLimit: admission.Unlimited}
	if q.BorrowingLimit != nil {
		v.BorrowingLimit = *q.BorrowingLimit
	}
	v.Reserved = 0
	if q.LendingLimit != nil {
		v.Reserved = max(0, v.Nominal-*q.LendingLimit)
	}
	v.Rate = admission.Rate{}
	if q.StartsPerSecond != nil {
		v.Rate = admission.Rate{PerSecond: *q.StartsPerSecond, Burst: *q.Burst}
	}
	delete(c.passing, w)
	if q.Until != nil {
		c.passing[w] = q.Until.UnixMicro()
	}
	if cohort != admission.NoCohort {
		k := &c.in.Cohorts[cohort]
		k.Limit, k.Weight, k.Used = k.Limit+v.Lends(), k.Weight+v.Weight, k.Used+v.Pooled()
	}
	c.touch(w)
	return true
}

// cohort is the place of a cohort.
func (c *cache) cohort(name string) int {
	k, known := c.cohorts[name]
	if !known {
		k = len(c.in.Cohorts)
		c.cohorts[name] = k
		c.in.Cohorts = append(c.in.Cohorts, admission.Cohort{Name: name})
	}
	return k
}

// setClock takes over the virtual time of a cohort, or of the shard.
func (c *cache) setClock(k store.Clock) {
	clocks := admission.Clocks{admission.RecordedClock(k.OwnClock), admission.RecordedClock(k.BorrowedClock)}
	if k.Cohort == "" {
		c.in.Clocks = clocks
		c.ledger.Fleet, c.ledger.Longest = slots.Known(k.SlotTime), slots.Known(k.Longest)
		c.ledger.Learn()
		return
	}
	cohort := &c.in.Cohorts[c.cohort(k.Cohort)]
	cohort.Clocks, cohort.Tags = clocks, admission.Tags{admission.Recorded(k.Own), admission.Recorded(k.Borrowed)}
}

// refresh lays out the workspaces that were touched, and those whose next scheduled item has become ready.
func (c *cache) refresh(batch int) {
	c.ledger.Pass(time.UnixMicro(c.now))
	for i, due := range c.due {
		if due <= c.now {
			c.touch(c.whose[i])
		}
	}
	for _, w := range c.touched {
		w.touched = false
		c.layOut(w, batch)
	}
	clear(c.touched)
	c.touched = c.touched[:0]
}

func (c *cache) layOut(w *workspace, batch int) {
	v, since := &w.view, int64(never)
	v.Ready, w.due = 0, never
	more := false
	few := fewFor(v, batch)
	for p := range w.lines {
		l := &w.lines[p]
		n := l.ready(c.now)
		if v.Ready += n; n > 0 {
			since = min(since, l.items[0].at)
		}
		if n < len(l.items) {
			w.due = min(w.due, l.items[n].at)
		}
		more = more || l.short(few, c.now)
	}
	v.Since = time.UnixMicro(since)
	if c.in.CountsSlotTime {
		v.Cost = admission.SlotTime(c.ledger.Expected(&w.account))
	}
	if more && !w.hungry && v.Used < v.Ceiling && !v.Paused {
		w.hungry = true
		c.hungry = append(c.hungry, w)
	}
	v.Idle = v.Ready == 0 && w.due == never
	if v.Idle && v.Places == (admission.Places{}) {
		c.lift(w)
		return
	}
	if w.place == 0 {
		c.in.Workspaces, c.whose, c.due, c.left = append(c.in.Workspaces, admission.Workspace{}), append(c.whose, w), append(c.due, 0), append(c.left, left{kept: w.kept})
		w.kept = admission.NoCause
		w.place = len(c.whose)
	}
	c.in.Workspaces[w.place-1], c.due[w.place-1], c.left[w.place-1].plan = *v, w.due, w.planIndex
	c.changed = append(c.changed, int32(w.place-1))
}

// enoughFor is how many items of a line are worth reading, and fewFor with how many it is short.
func enoughFor(v *admission.Workspace, batch int) int { return max(1, min(batch, v.Ceiling)) }

func fewFor(v *admission.Workspace, batch int) int {
	enough := enoughFor(v, batch)
	return max((enough+1)/2, min(enough, v.Ceiling-v.Used))
}

// lift takes a workspace from among those that wait. The last one gets its place.
func (c *cache) lift(w *workspace) {
	if w.place == 0 {
		return
	}
	to, last := w.place-1, len(c.whose)-1
	c.in.Workspaces[to], c.whose[to], c.due[to], c.left[to] = c.in.Workspaces[last], c.whose[last], c.due[last], c.left[last]
	c.whose[to].place, w.place = w.place, 0
	c.whose[last] = nil
	c.in.Workspaces, c.whose, c.due, c.left = c.in.Workspaces[:last], c.whose[:last], c.due[:last], c.left[:last]
	c.changed = append(c.changed, int32(to))
}

// forget drops a workspace of which nothing is left to know.
func (c *cache) forget(w *workspace) {
	if w.view.Used > 0 || w.view.Places != (admission.Places{}) || w.view.Cohort != admission.NoCohort || c.dirty[w] || w.touched || w.hungry {
		return
	}
	c.lift(w)
	delete(c.passing, w)
	delete(c.byID, w.view.ID)
}

// dueIn is how long until the next scheduled item of a workspace with a free slot is ready; zero when there is none.
func (c *cache) dueIn() time.Duration {
	soonest := int64(never)
	for i, due := range c.due {
		if w := &c.in.Workspaces[i]; due < soonest && w.Used < w.Ceiling && !w.Paused {
			soonest = due
		}
	}
	if soonest == never {
		return 0
	}
	return until(soonest, c.now)
}

// longestRest is what a longer time until something counts as, which a Duration may not hold: there is another look before.
const longestRest = 24 * time.Hour

// until is how long it is until a time in microseconds, a millisecond at least.
func until(at, now int64) time.Duration {
	in := min(at-now, longestRest.Microseconds())
	return max(time.Duration(in)*time.Microsecond, time.Millisecond)
}
