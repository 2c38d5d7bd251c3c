package dispatch

import (
	"slices"
	"time"

	"sluice/internal/admission"
)

// Kept is what items wait for, in workspaces of a plan.
type Kept struct {
	Plan   string
	Reason admission.Reason
}

const (
	// KeptByNothing is the reason of items that the first plan which knew of them took.
	KeptByNothing admission.Reason = "none"
	// KeptUnknown is that of items which waited already when this process took the shard over.
	KeptUnknown admission.Reason = "unknown"
)

// unknown is the cause of KeptUnknown.
const unknown = admission.NoCause + 1

// left is a workspace with what the last plan has left its items to wait for.
type left struct {
	plan int32
	kept admission.Cause
}

// planIndex is the place of a plan in cache.plans.
func (c *cache) planIndex(plan string) int32 {
	i := slices.Index(c.plans, plan)
	if i < 0 {
		i, c.plans = len(c.plans), append(c.plans, plan)
	}
	return int32(i)
}

// leaveRests is for how long nothing is noted again, for each workspace: that takes some 20 to 40 ns, and so no more than 2 % of the time.
const leaveRests = 2 * time.Microsecond

// leave notes what the plan leaves the items of each workspace to wait for, and counts these workspaces.
func (c *cache) leave() map[Kept]int {
	if !c.decided || time.Since(c.noted) < time.Duration(len(c.left))*leaveRests { // it was loaded since, or noted just now
		return c.waiting
	}
	counts := make([][admission.NoCause + 1]int, len(c.plans))
	for i := range c.left {
		l := &c.left[i]
		l.kept = c.decider.Kept(&c.in, i)
		counts[l.plan][l.kept]++
	}
	c.waiting, c.noted = map[Kept]int{}, time.Now()
	for plan := range counts {
		for cause, n := range counts[plan][:admission.NoCause] {
			if n > 0 {
				c.waiting[Kept{c.plans[plan], admission.Cause(cause).Reason()}] = n
			}
		}
	}
	return c.waiting
}

// remember takes over what items wait for from the cache before, of the same process.
func (c *cache) remember(before *cache) {
	for id, w := range c.byID {
		if !slices.ContainsFunc(w.lines[:], func(l line) bool { return len(l.items) > 0 || !l.done }) {
			continue // it has none
		}
		w.kept = unknown
		if old := before.byID[id]; old != nil && old.place > 0 {
			w.kept = before.left[old.place-1].kept
		}
	}
}

// keptBy is what kept an item that was claimed. That it was scheduled is over since it is available.
func (p *pick) keptBy() admission.Reason {
	switch reason := p.kept.Reason(); {
	case p.kept == unknown:
		return KeptUnknown
	case reason == "" || reason == admission.Scheduled:
		return KeptByNothing
	default:
		return reason
	}
}
