package admission

import (
	"bytes"
	"math"
	"time"

	"github.com/google/uuid"
)

// Workspace is what the policy knows of one workspace with a backlog.
type Workspace struct {
	ID     uuid.UUID
	Cohort int // its place in Input.Cohorts, or NoCohort
	Weight int // its share against others when not all can be served; at least 1
	Quota
	Used  int // slots it holds; may exceed its quota after a cut
	Ready int // items that could start now
	// Since is when the oldest of them became available: of workspaces that are due alike, who waits longest goes first.
	Since time.Time
	Tags
	Rate
	Bucket
}

// NoCohort is the cohort of a workspace that shares its quota with nobody.
const NoCohort = -1

// Cohort is a group of workspaces that lend one another what they leave idle. Its pool is the sum over all its members,
// with a backlog or not: Limit of their nominal quotas, Used of their slots. Its weight is the sum of theirs.
type Cohort struct {
	Name string
	Pool
	Weight int
	Tags          // where the cohort stands among those outside of it
	Clocks Clocks // the present within it
}

// Input is the state of everything at one moment.
type Input struct {
	Now        time.Time
	Batch      int  // the most starts to decide on
	Global     Pool // of all workspaces together
	Clocks     Clocks
	Cohorts    []Cohort
	Workspaces []Workspace
}

// Grant allows a workspace some more starts, decided under Limit, its ceiling.
type Grant struct {
	Workspace int // its place in Input.Workspaces
	ID        uuid.UUID
	Slots     int
	Limit     int
}

// Decision is the outcome of one cycle's policy.
type Decision struct {
	Grants []Grant // by who got its first start first
	// Why says, for each workspace of the input, why it was granted nothing; empty where it was granted something.
	Why []Reason
	// Waiting counts the workspaces that were granted nothing, by reason.
	Waiting map[Reason]int
	// RateDue is how long until a workspace that only its rate keeps from a next start may make it; zero when there is none.
	RateDue time.Duration
	// Contended tells whether somebody could have taken another start if nobody else were there. If not, everybody has
	// what he asked for, nothing is owed to anybody, and the starts cost no virtual time.
	Contended bool
	// Weights are what all weigh together who could have taken a start, and CohortWeights the same within each cohort of
	// the input: what Charge needs to move the clocks.
	Weights       Weights
	CohortWeights []Weights
}

// Decide distributes at most a batch of starts. See the package for its promises.
func Decide(in Input) Decision {
	r := newRound(in)
	for class := range classes {
		r.gather(class)
		r.deal()
	}
	return r.decision()
}

// round is one decision being made.
type round struct {
	in      Input
	batch   int // starts left
	global  int // slots left
	class   Class
	rooms   []room
	granted []int32
	order   []int32 // workspaces by their first grant
	root    line
	cohorts []cohortRound
	weights Weights
}

// room is how many starts a workspace could take if nobody else were there, and how many of them are its own.
type room struct{ own, all int32 }

type cohortRound struct {
	free    int
	since   time.Time // the earliest of its members in the line
	members line
	weights Weights
}

func newRound(in Input) *round {
	n := len(in.Workspaces)
	r := &round{
		in: in, batch: min(max(0, in.Batch), math.MaxInt32), global: in.Global.free(),
		rooms: make([]room, n), granted: make([]int32, n), cohorts: make([]cohortRound, len(in.Cohorts)),
	}
	byStart := func(a, b flow) bool { return a.start < b.start || a.start == b.start && r.first(a.index, b.index) }
	byFinish := func(a, b flow) bool { return a.finish < b.finish || a.finish == b.finish && r.first(a.index, b.index) }
	r.root.later.before, r.root.due.before = byStart, byFinish
	for i := range in.Cohorts {
		c := &r.cohorts[i]
		c.free = in.Cohorts[i].free()
		c.members.later.before, c.members.due.before = byStart, byFinish
	}
	for i := range in.Workspaces {
		w := &in.Workspaces[i]
		all := min(w.Room(in.Now), r.batch)
		r.rooms[i] = room{own: int32(min(all, w.own(w.Used))), all: int32(all)}
	}
	return r
}

// Room is how many starts the workspace could take if nobody else were there.
func (w *Workspace) Room(now time.Time) int {
	if w.Ready == 0 {
		return 0
	}
	return max(0, min(w.most()-w.Used, w.Ready, w.starts(w.Bucket, now)))
}

// room is how many more starts of the class a workspace could take, whatever is left for it.
func (r *round) room(i int32) int32 {
	room, granted := r.rooms[i], r.granted[i]
	if r.class == Own {
		return room.own - min(room.own, granted)
	}
	return room.all - max(room.own, granted)
}

// A cohort stands in the root's line under a negative index.
func cohortIndex(cohort int) int32 { return int32(-1 - cohort) }

// gather lines up everybody who could take a start of this class.
func (r *round) gather(class Class) {
	r.class = class
	r.root.clear(r.in.Clocks[class])
	for i := range r.cohorts {
		r.cohorts[i].members.clear(r.in.Cohorts[i].Clocks[class])
	}
	for i := range r.in.Workspaces {
		if r.room(int32(i)) <= 0 {
			continue
		}
		w := &r.in.Workspaces[i]
		l := &r.root
		if w.Cohort != NoCohort {
			c := &r.cohorts[w.Cohort]
			if l = &c.members; l.empty() || w.Since.Before(c.since) {
				c.since = w.Since
			}
		}
		start := standing(w.Tags[class], l.clock, w.Weight)
		l.join(flow{start, start + Price(w.Weight), int32(i)}, w.Weight)
	}
	for i := range r.cohorts {
		c := &r.cohorts[i]
		c.weights[class] = c.members.weight
		if c.members.empty() || c.free == 0 {
			continue
		}
		c.members.open()
		cohort := &r.in.Cohorts[i]
		start := standing(cohort.Tags[class], r.root.clock, cohort.Weight)
		r.root.join(flow{start, start + Price(cohort.Weight), cohortIndex(i)}, cohort.Weight)
	}
	r.weights[class] = r.root.weight
	r.root.open()
}

// deal serves one after the other, until the batch or the fleet is full or nobody can take another.
func (r *round) deal() {
	for r.batch > 0 && r.global > 0 && !r.root.empty() {
		next := r.root.next()
		if next >= 0 {
			r.grant(&r.root, next)
			continue
		}
		c := &r.cohorts[-1-next]
		r.grant(&c.members, c.members.next())
		if c.free != Unlimited {
			c.free--
		}
		r.root.serve(r.in.Cohorts[-1-next].Weight, c.free > 0 && !c.members.empty())
	}
}

// grant gives the workspace at the head of a line one start.
func (r *round) grant(l *line, i int32) {
	if r.granted[i] == 0 {
		r.order = append(r.order, i)
	}
	r.granted[i]++
	r.batch--
	if r.global != Unlimited {
		r.global--
	}
	l.serve(r.in.Workspaces[i].Weight, r.room(i) > 0)
}

// first breaks ties: by who waits longest, then workspaces by id, then cohorts by name.
func (r *round) first(a, b int32) bool {
	if order := r.since(a).Compare(r.since(b)); order != 0 {
		return order < 0
	}
	switch {
	case a >= 0 && b >= 0:
		return bytes.Compare(r.in.Workspaces[a].ID[:], r.in.Workspaces[b].ID[:]) < 0
	case a < 0 && b < 0:
		return r.in.Cohorts[-1-a].Name < r.in.Cohorts[-1-b].Name
	}
	return a >= 0
}

func (r *round) since(i int32) time.Time {
	if i >= 0 {
		return r.in.Workspaces[i].Since
	}
	return r.cohorts[-1-i].since
}

func (r *round) decision() Decision {
	d := Decision{Why: make([]Reason, len(r.in.Workspaces)), Waiting: map[Reason]int{}, Weights: r.weights}
	for i := range r.cohorts {
		d.CohortWeights = append(d.CohortWeights, r.cohorts[i].weights)
	}
	if len(r.order) > 0 {
		d.Grants = make([]Grant, len(r.order))
	}
	for n, i := range r.order {
		w := &r.in.Workspaces[i]
		d.Grants[n] = Grant{Workspace: int(i), ID: w.ID, Slots: int(r.granted[i]), Limit: w.Ceiling}
	}
	for i := range r.in.Workspaces {
		w := &r.in.Workspaces[i]
		why := r.why(w, int(r.granted[i]))
		if why == RateLimited {
			left := w.take(w.Bucket, r.in.Now, int(r.granted[i]))
			if wait := w.wait(left, r.in.Now); d.RateDue == 0 || wait < d.RateDue {
				d.RateDue = wait
			}
		}
		d.Contended = d.Contended || r.rooms[i].all > r.granted[i]
		if r.granted[i] == 0 {
			d.Why[i] = why
			d.Waiting[why]++
		}
	}
	return d
}

// why tells what keeps a workspace from its next start after those it was granted.
func (r *round) why(w *Workspace, granted int) Reason {
	switch used := w.Used + granted; {
	case w.Ready <= granted:
		return Scheduled
	case used >= w.Ceiling:
		return AtCapacity
	case used >= w.most():
		return BorrowLimit
	case w.starts(w.Bucket, r.in.Now) <= granted:
		return RateLimited
	case w.Cohort != NoCohort && r.cohorts[w.Cohort].free == 0:
		return CohortLimit
	case r.global == 0:
		return GlobalLimit
	}
	return BatchFull
}
