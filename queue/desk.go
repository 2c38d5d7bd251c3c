package queue

import (
	"math"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
)

// desk is where a Memory's decisions are made. Each workspace with a backlog lies there as the policy takes it, side by
// side, from one decision to the next: a cycle lays out anew what was touched, and runs over the rest without following
// pointers. So whoever changes anything remembered of a workspace must touch it.
type desk struct {
	decider    admission.Decider
	decided    bool    // on these workspaces
	changed    []int32 // since then: at these places
	workspaces []admission.Workspace
	due        []int64       // at the same places: when the next scheduled item is ready, in microseconds, or never
	whose      []*remembered // at the same places
	touched    []*remembered // to be looked at
	batch      int           // up to which enough was known of all others
	cohorts    map[string]int
	names      []string // of the cohorts, by place
}

const never = math.MaxInt64

// place is where a workspace lies on the desk, from 1 on; zero if it does not.
type place int

// touch has a workspace looked at in the next refresh, and laid out anew after it.
func (m *Memory) touch(w *remembered) {
	if !w.touched {
		w.touched = true
		m.desk.touched = append(m.desk.touched, w)
	}
}

func (m *Memory) touchAll() {
	for _, w := range m.desk.whose {
		m.touch(w)
	}
}

// forget is the opposite of learn.
func (m *Memory) forget(id uuid.UUID) {
	w := m.workspaces[id]
	delete(m.workspaces, id)
	m.desk.lift(w)
	*w = remembered{touched: w.touched} // should it be among those: nothing of it is left
}

// clear makes an empty desk.
func (d *desk) clear() { *d = desk{decider: d.decider} }

// outdated are those whose items, or of which everything, must be read again before a decision on so many starts.
func (m *Memory) outdated(batch int) (items []*remembered, all []uuid.UUID) {
	d, now := &m.desk, m.shared.Now
	if batch > d.batch {
		m.touchAll()
	}
	d.batch = batch
	for i, due := range d.due {
		if due <= now.UnixMicro() {
			m.touch(d.whose[i])
		}
	}
	for _, w := range d.touched {
		switch {
		case w.changed == everything:
			all = append(all, w.WorkspaceID)
		case w.stale(now, batch):
			items = append(items, w)
		}
	}
	return items, all
}

// layOut brings the desk up to what is remembered.
func (m *Memory) layOut() {
	d := &m.desk
	if !d.knows(m.shared.Cohorts) {
		d.cohorts, d.names = m.shared.cohorts(), d.names[:0]
		for i := range m.shared.Cohorts {
			d.names = append(d.names, m.shared.Cohorts[i].Cohort)
		}
		m.touchAll()
	}
	for _, w := range d.touched {
		w.touched = false
		if w.waits() {
			d.lay(w)
		} else {
			d.lift(w)
		}
	}
	clear(d.touched) // or what is forgotten would not be freed
	d.touched = d.touched[:0]
}

// knows tells whether the cohorts are where they were.
func (d *desk) knows(cohorts []CohortCapacity) bool {
	if len(cohorts) != len(d.names) {
		return false
	}
	for i := range cohorts {
		if cohorts[i].Cohort != d.names[i] {
			return false
		}
	}
	return true
}

// lay puts a workspace on the desk, or renews it there.
func (d *desk) lay(w *remembered) {
	if w.place == 0 {
		d.workspaces, d.due, d.whose = append(d.workspaces, admission.Workspace{}), append(d.due, 0), append(d.whose, w)
		w.place = place(len(d.whose))
	}
	d.changed = append(d.changed, int32(w.place-1))
	d.workspaces[w.place-1], d.due[w.place-1] = w.policyView(d.cohorts), never
	if w.NextDue != nil {
		d.due[w.place-1] = w.NextDue.UnixMicro()
	}
}

// lift takes a workspace off the desk. The last one gets its place.
func (d *desk) lift(w *remembered) {
	if w.place == 0 {
		return
	}
	to, last := w.place-1, len(d.whose)-1
	d.changed = append(d.changed, int32(to))
	d.workspaces[to], d.due[to], d.whose[to] = d.workspaces[last], d.due[last], d.whose[last]
	d.whose[to].place, w.place = w.place, 0
	d.whose[last] = nil
	d.workspaces, d.due, d.whose = d.workspaces[:last], d.due[:last], d.whose[:last]
}

// decide completes the input with the workspaces, and lets the policy decide.
func (d *desk) decide(in admission.Input) (decision admission.Decision) {
	if in.Workspaces = d.workspaces; d.decided {
		decision = d.decider.DecideAgain(in, d.changed)
	} else {
		decision = d.decider.Decide(in)
	}
	d.decided, d.changed = true, d.changed[:0]
	return decision
}

// dueIn is how long until the next item of a workspace with a free slot is ready; zero when there is none.
func (d *desk) dueIn(now time.Time) time.Duration {
	soonest := int64(never)
	for i, due := range d.due {
		if due < soonest && d.workspaces[i].Used < d.workspaces[i].Ceiling {
			soonest = due
		}
	}
	if soonest == never {
		return 0
	}
	return max(time.UnixMicro(soonest).Sub(now), time.Millisecond)
}
