package admission

import (
	"bytes"
	"math"
	"slices"
	"time"
)

// round is one decision being made. It costs little for each workspace and more only for those that are granted
// something: a workspace without room is counted and left out, and of those in a line only as many are put in order as can
// be served.
type round struct {
	in      Input
	batch   int   // starts left
	most    int32 // and how many there were
	global  int   // slots left
	class   Class
	roster  roster
	granted []int32
	order   []int32 // workspaces by their first grant
	root    line
	cohorts []cohortRound
	moved   []int32 // workspaces that have come into a line or left one
	ends    lineEnds
	owed    VirtualTime // how far behind the clock one may stand, before its weight
	rateDue time.Duration
	roomy   int // how many have room
}

type cohortRound struct {
	free    int
	stands  bool  // one of its members does
	spare   bool  // and has something in reserve
	spared  int   // members that are roomy and have something in reserve
	roomy   int   // members that have room and were granted nothing
	since   int64 // the earliest of its members in the line
	members line
	price   VirtualTime // of its next start
	ends    lineEnds
}

// lineEnds are how the lines of both classes stand after a decision.
type lineEnds struct {
	clocks  Clocks
	rests   Clocks // where the clocks stand if nothing is owed
	weights Weights
	dealt   [classes]VirtualTime
	filled  [classes]Held
}

func (e *lineEnds) note(class Class, l *line) {
	if l.still {
		l.clock = l.began
	}
	e.filled[class] = l.filled
	e.clocks[class], e.rests[class], e.weights[class], e.dealt[class] = l.clock, l.began, l.weight, l.dealt
	if l.waits == 0 {
		e.rests[class] = l.latest
	}
}

func (r *round) begin(in Input) {
	r.in, r.batch, r.global = in, min(max(0, in.Batch), math.MaxInt32), in.Global.free()
	r.most, r.owed = int32(r.batch), in.owedAtMost()
	r.granted = resized(r.granted, len(in.Workspaces))
	clear(r.granted)
	r.order, r.moved, r.rateDue, r.roomy = r.order[:0], r.moved[:0], 0, 0
	r.cohorts = resized(r.cohorts, len(in.Cohorts))
	for i := range in.Cohorts {
		c := &r.cohorts[i]
		*c = cohortRound{free: in.Cohorts[i].free(), members: c.members}
	}
}

// resized is the slice with n elements, whatever they are.
func resized[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// limited notes when the rate of a workspace allows it a start after those that it was granted.
func (r *round) limited(w *Workspace, granted int) {
	wait := w.wait(w.take(w.Bucket, r.in.Now, granted))
	if r.rateDue == 0 || wait < r.rateDue {
		r.rateDue = wait
	}
}

// A cohort stands in the root's line under a negative index.
func cohortIndex(cohort int) int32 { return int32(-1 - cohort) }

// count notes that a workspace has room, or when its rate will allow it a start if only that keeps it.
func (r *round) count(i int, m *measured) {
	switch {
	case m.all > 0:
		r.roomy++
		if m.cohort != NoCohort {
			r.cohorts[m.cohort].roomy++
			if m.reserve > 0 {
				r.cohorts[m.cohort].spared++
			}
		}
	case m.why == rateLimited:
		r.limited(&r.in.Workspaces[i], 0)
	}
}

// gather lines up all workspaces that could take a start of this class.
func (r *round) gather(class Class) {
	r.class = class
	most := min(r.batch, r.global)
	r.root.begin(r, r.in.Clocks[class], &r.in.held[class], &r.in.full[class], r.in.active[class], most)
	for i := range r.cohorts {
		r.cohorts[i].stands, r.cohorts[i].spare = false, false
		k := &r.in.Cohorts[i]
		r.cohorts[i].members.begin(r, k.Clocks[class], &k.held[class], &k.full[class], k.active[class], most)
		r.cohorts[i].members.whole = r.roster.reserving > 0
	}
	for i := range r.roster.all {
		m := &r.roster.all[i]
		if class == Own { // once for both classes
			if m.rated {
				r.roster.measure(i, &r.in)
			}
			r.count(i, m)
		}
		stands := m.all > 0 && m.room(class, r.granted[i], r.most) > 0
		if !stands && m.places[class] == Outside {
			continue
		}
		l := &r.root
		if m.cohort != NoCohort {
			c := &r.cohorts[m.cohort]
			if l = &c.members; stands && (!c.stands || m.since < c.since) {
				c.stands, c.since = true, m.since
			}
			c.spare = c.spare || stands && r.reserve(int32(i)) > 0
		}
		if stands {
			r.arrive(int32(i), l, m)
		} else {
			r.depart(int32(i), l, m)
		}
	}
	for i := range r.cohorts {
		c := &r.cohorts[i]
		c.members.open()
		if !c.stands || c.free == 0 && !c.spare {
			r.departCohort(i)
			continue
		}
		if most > 0 {
			r.ready(c, r.in.Cohorts[i].Weight)
		}
		r.arriveCohort(i)
	}
	r.root.open()
}

// ready tells whether a member of a cohort could take a start, and notes the price of that for the cohort. Members that have no
// slot in reserve are left out once the cohort has none either. That the cohort is asked is no reason for its clock to move: it may
// be given nothing.
func (r *round) ready(c *cohortRound, weight int) bool {
	for !c.members.empty() {
		from := c.members.first()
		if i := from.flows[0].index; r.may(c, i) {
			c.price = shared(r.roster.all[i].cost, weight)
			return true
		}
		from.pop()
	}
	return false
}

// member is the one of a cohort that is ready which goes next.
func (r *round) member(c *cohortRound) int32 {
	for {
		i := c.members.next()
		if r.may(c, i) {
			return i
		}
		c.members.due.pop()
	}
}

// may tells whether there is a slot for a member of a cohort: the cohort's, or one in reserve.
func (r *round) may(c *cohortRound, i int32) bool { return c.free > 0 || r.reserve(i) > 0 }

// reserve is how many more starts a workspace could take that are not its cohort's.
func (r *round) reserve(i int32) int32 { return r.roster.all[i].reserve - r.granted[i] }

// deal serves one after the other, until the batch is full, the global limit is reached, or none can take another.
func (r *round) deal() {
	for r.batch > 0 && r.global > 0 && !r.root.empty() {
		next := r.root.next()
		if next >= 0 {
			r.grant(&r.root, next)
			continue
		}
		c, weight := &r.cohorts[-1-next], r.in.Cohorts[-1-next].Weight
		member := r.member(c)
		if c.free != Unlimited && r.reserve(member) <= 0 {
			c.free--
		}
		cost := r.grant(&c.members, member)
		r.root.serve(cost, weight, r.ready(c, weight), false)
	}
	r.settle(&r.root)
	r.ends.note(r.class, &r.root)
	for i := range r.cohorts {
		c := &r.cohorts[i]
		r.settle(&c.members)
		c.ends.note(r.class, &c.members)
	}
}

// grant gives the workspace at the head of a line one start, and returns what that costs.
func (r *round) grant(l *line, i int32) VirtualTime {
	if r.granted[i] == 0 {
		r.order = append(r.order, i)
	}
	r.granted[i]++
	r.batch--
	if r.global != Unlimited {
		r.global--
	}
	m, to := &r.roster.all[i], l.due.flows[0].key
	stays, items := m.room(r.class, r.granted[i], math.MaxInt32) > 0, r.in.Workspaces[i].Ready > int(r.granted[i])
	if l.serve(m.cost, m.weight, stays, items); !stays {
		r.leave(i, to, items, l)
	}
	return m.cost
}

// price is what the next start costs the workspace or cohort that stands in a line under this index.
func (r *round) price(i int32) VirtualTime {
	if i >= 0 {
		return r.roster.all[i].price
	}
	return r.cohorts[-1-i].price
}

// first breaks ties between those that have waited alike: workspaces by id, then cohorts by name.
func (r *round) first(a, b int32) bool {
	switch {
	case a >= 0 && b >= 0:
		return bytes.Compare(r.in.Workspaces[a].ID[:], r.in.Workspaces[b].ID[:]) < 0
	case a < 0 && b < 0:
		return r.in.Cohorts[-1-a].Name < r.in.Cohorts[-1-b].Name
	}
	return a >= 0
}

func (r *round) decision() Decision {
	d := Decision{Waiting: map[Reason]int{}, Contended: r.in.Batch > 0 && r.roomy > len(r.order), ends: r.ends}
	if len(r.cohorts) > 0 {
		d.cohorts = make([]lineEnds, len(r.cohorts))
	}
	if len(r.moved) > 0 {
		d.Moved = slices.Clone(r.moved)
	}
	if len(r.order) > 0 {
		d.Grants = make([]Grant, len(r.order))
	}
	for n, i := range r.order {
		w, granted := &r.in.Workspaces[i], int(r.granted[i])
		d.Grants[n] = Grant{Workspace: int(i), ID: w.ID, Slots: granted, Limit: w.Ceiling}
		d.Contended = d.Contended || min(r.roster.all[i].all, r.most) > r.granted[i]
		if _, why := w.alone(r.in.Now, granted); why == rateLimited {
			r.limited(w, granted)
		}
		if w.Cohort != NoCohort {
			r.cohorts[w.Cohort].roomy--
			if r.roster.all[i].reserve > 0 {
				r.cohorts[w.Cohort].spared--
			}
		}
	}
	waiting := r.roster.waiting
	left := r.roomy - len(r.order)
	for i := range r.cohorts {
		c := &r.cohorts[i]
		d.cohorts[i] = c.ends
		if c.free == 0 {
			waiting[cohortLimit] += c.roomy - c.spared
			left -= c.roomy - c.spared
		}
	}
	waiting[together(r.global)] += left
	for why, n := range waiting[:causes] {
		if n > 0 {
			d.Waiting[reasons[why]] = n
		}
	}
	d.RateDue = r.rateDue
	return d
}

// together is what keeps the workspaces that could have taken a start, with so many slots of all workspaces left.
func together(global int) Cause {
	if global == 0 {
		return globalLimit
	}
	return batchFull
}
