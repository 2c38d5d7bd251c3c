package admission

import (
	"math"
	"time"
)

// Unlimited is a limit that never binds.
const Unlimited = math.MaxInt

// Quota is what a workspace may hold, in Kueue's words.
type Quota struct {
	// Ceiling is the most slots it may ever hold.
	Ceiling int
	// Nominal is its guaranteed share: it goes before those that borrow. Above the ceiling it counts as the ceiling.
	// Where Nominal is the Ceiling for all workspaces, none borrows and the weights alone decide.
	Nominal int
	// BorrowingLimit is how many slots above Nominal it may hold of what others leave idle; Unlimited up to the ceiling.
	BorrowingLimit int
}

// own is how many more slots fit into its guaranteed share.
func (q Quota) own(used int) int { return max(0, min(q.Nominal, q.Ceiling)-used) }

// reserve is how much of its nominal quota is for itself alone, of which it holds so many.
func (w *Workspace) reserve(used int) int { return max(0, min(w.Reserved, w.Nominal)-used) }

// Lends is how much of its nominal quota its cohort may use while it is idle.
func (w *Workspace) Lends() int { return max(0, w.Nominal-max(0, w.Reserved)) }

// Pooled is how many of the slots that it holds are its cohort's.
func (w *Workspace) Pooled() int { return w.pooled(w.Used) }

func (w *Workspace) pooled(used int) int {
	return max(0, used-max(0, min(w.Reserved, w.Nominal)))
}

// Sum adds limits of which none is exceeded, however large they are.
func Sum(limit, more int) int {
	if limit > Unlimited-more {
		return Unlimited
	}
	return limit + more
}

// most is how many slots it may hold in all.
func (q Quota) most() int {
	if q.BorrowingLimit >= q.Ceiling-q.Nominal { // not their sum, which may overflow
		return q.Ceiling
	}
	return q.Nominal + q.BorrowingLimit
}

// MayHold tells whether a workspace may hold a slot at all, if it and those it shares limits with hold none.
func (in *Input) MayHold(w *Workspace) bool {
	if w.most() == 0 || in.Global.Limit == 0 {
		return false
	}
	return w.Cohort == NoCohort || in.Cohorts[w.Cohort].Limit > 0 || w.reserve(0) > 0
}

// Room is how many starts the workspace could take if it were the only one.
func (w *Workspace) Room(now time.Time) int {
	room, _ := w.alone(now, 0)
	return room
}

// alone is how many starts the workspace could take after those it was granted if it were the only one, and what keeps
// it if that is none.
func (w *Workspace) alone(now time.Time, granted int) (room int, why Cause) {
	ready, used, most := w.Ready-granted, w.Used+granted, w.most()
	switch {
	case ready <= 0:
		return 0, scheduled
	case w.Paused:
		return 0, paused
	case used >= w.Ceiling:
		return 0, atCapacity
	case used >= most:
		return 0, borrowLimit
	}
	room = min(most-used, ready)
	if w.PerSecond > 0 {
		if room = min(room, w.starts(w.Bucket, now)-granted); room <= 0 {
			return 0, rateLimited
		}
	}
	return room, causes
}

// Pool is a number of slots that several workspaces share.
type Pool struct {
	Limit int // Unlimited when there is none
	Used  int // may exceed Limit after a cut: then it drains
}

func (p Pool) free() int {
	if p.Limit == Unlimited {
		return Unlimited
	}
	return max(0, p.Limit-p.Used)
}
