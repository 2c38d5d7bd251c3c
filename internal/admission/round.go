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
	weights Weights
	rateDue time.Duration
	roomy   int // how many have room
}

type cohortRound struct {
	free    int
	roomy   int   // members that have room and were granted nothing
	since   int64 // the earliest of its members in the line
	members line
	weights Weights
}

func (r *round) begin(in Input) {
	r.in, r.batch, r.global = in, min(max(0, in.Batch), math.MaxInt32), in.Global.free()
	r.most = int32(r.batch)
	r.granted = resized(r.granted, len(in.Workspaces))
	clear(r.granted)
	r.order, r.weights, r.rateDue, r.roomy = r.order[:0], Weights{}, 0, 0
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

// room is how many more starts of the class a workspace could take, whatever is left for it.
func (r *round) room(i int32) int32 {
	return r.roster.all[i].room(r.class, r.granted[i], r.most)
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
		}
	case m.why == rateLimited:
		r.limited(&r.in.Workspaces[i], 0)
	}
}

// gather lines up all workspaces that could take a start of this class.
func (r *round) gather(class Class) {
	r.class = class
	most := min(r.batch, r.global)
	r.root.begin(r, r.in.Clocks[class], most)
	for i := range r.cohorts {
		r.cohorts[i].members.begin(r, r.in.Cohorts[i].Clocks[class], most)
	}
	for i := range r.roster.all {
		m := &r.roster.all[i]
		if class == Own { // once for both classes
			if m.rated {
				r.roster.measure(i, &r.in)
			}
			r.count(i, m)
		}
		if m.all == 0 || m.room(class, r.granted[i], r.most) <= 0 {
			continue
		}
		l := &r.root
		if m.cohort != NoCohort {
			c := &r.cohorts[m.cohort]
			if l = &c.members; l.weight == 0 || m.since < c.since {
				c.since = m.since
			}
		}
		l.join(int32(i), m.tags[class], m.weight, m.price, m.since)
	}
	for i := range r.cohorts {
		c := &r.cohorts[i]
		c.weights[class] = c.members.weight
		if c.members.weight == 0 || c.free == 0 {
			continue
		}
		c.members.open()
		cohort := &r.in.Cohorts[i]
		r.root.join(cohortIndex(i), cohort.Tags[class], cohort.Weight, Price(cohort.Weight), c.since)
	}
	r.weights[class] = r.root.weight
	r.root.open()
}

// deal serves one after the other, until the batch is full, the global limit is reached, or none can take another.
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
		r.root.serve(c.free > 0 && !c.members.empty())
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
	l.serve(r.room(i) > 0)
}

// price is what a start costs the workspace or cohort that stands in a line under this index.
func (r *round) price(i int32) VirtualTime {
	if i >= 0 {
		return r.roster.all[i].price
	}
	return Price(r.in.Cohorts[-1-i].Weight)
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
	d := Decision{Waiting: map[Reason]int{}, Weights: r.weights, Contended: r.in.Batch > 0 && r.roomy > len(r.order)}
	if len(r.cohorts) > 0 {
		d.CohortWeights = make([]Weights, len(r.cohorts))
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
		}
	}
	waiting := r.roster.waiting
	left := r.roomy - len(r.order)
	for i := range r.cohorts {
		c := &r.cohorts[i]
		d.CohortWeights[i] = c.weights
		if c.free == 0 {
			waiting[cohortLimit] += c.roomy
			left -= c.roomy
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
func together(global int) cause {
	if global == 0 {
		return globalLimit
	}
	return batchFull
}
