package estimate

import (
	"math/rand/v2"
	"sort"
	"time"

	"sluice/internal/admission"
	"sluice/internal/admission/slots"
)

// run plays a part on, once.
type run struct {
	*part
	step       time.Duration // see admission.Due
	fleet      slots.Mean
	turnaround time.Duration
	longest    time.Duration
	rnd        *rand.Rand
	now        time.Duration
	decideAt   time.Duration
	decided    time.Duration
	state      admission.Input
	decider    admission.Decider
	known      bool    // the decider knows the workspaces,
	changed    []int32 // but for these
	lines      []line
	scales     []float64       // see Durations.scale
	oldest     time.Duration   // how long ago the first arrival was that is known
	until      []time.Duration // see Arrivals.until
	running    ends
	freed      []time.Duration // when slots were since the last decision, oldest first
	next       time.Duration   // when the next item arrives
	probed     int
	rateDue    time.Duration
	again      bool
	recorded   int
	waiting    int
	accounts   []slots.Account
	ledger     slots.Ledger
	holds      []*slots.Hold // that are not in use
}

// perLook is in how many workspaces of a decision one is looked at as long as a start takes.
const perLook = 50

// play plays a part until all points are known, or for so many steps.
func (r *run) play(p *part, number, most int) {
	r.begin(p, number)
	total := 0
	for i := range p.curves {
		total += len(p.curves[i].due)
	}
	r.decide()
	for steps := 0; r.recorded < total && steps < most && r.advance(); steps += 1 + len(p.workspaces)/perLook {
		steps += r.decide()
	}
	r.fill(number)
}

func (r *run) begin(p *part, number int) {
	r.part = p
	r.rnd = rand.New(rand.NewPCG(uint64(number), uint64(p.in.Now.UnixMicro())+uint64(p.places[0])<<48)) // each time others
	r.now, r.decideAt, r.decided, r.rateDue, r.again, r.probed, r.recorded, r.waiting, r.known = 0, 0, 0, 0, false, 0, 0, 0, false
	r.state = p.in
	r.state.Workspaces = append(r.state.Workspaces[:0:0], p.in.Workspaces...)
	r.state.Cohorts = append([]admission.Cohort{}, p.in.Cohorts...)
	r.state.CountsSlotTime = p.in.CountsSlotTime && len(p.workspaces) > 1 // by itself nobody competes
	r.changed, r.running, r.freed = r.changed[:0], r.running[:0], r.freed[:0]
	n := len(p.workspaces)
	r.lines, r.scales, r.until, r.accounts = resized(r.lines, n), resized(r.scales, n), resized(r.until, n), resized(r.accounts, n)
	r.ledger = slots.Ledger{Input: &r.state, Touched: r.touched, Fleet: r.fleet, Longest: slots.Known(r.longest.Seconds())}
	r.ledger.Learn()
	r.state.Pass(r.at(0))
	for i := range p.workspaces {
		w := &r.state.Workspaces[i]
		r.lines[i].begin(p.workspaces[i].Line)
		r.waiting += w.Ready
		r.scales[i], r.until[i] = p.durations[i].scale(r.rnd), p.workspaces[i].Arrivals.until(r.rnd, r.oldest)
		r.accounts[i] = slots.Account{Workspace: w, Owner: int32(i), Mean: expected(&p.workspaces[i], p.durations[i])}
		w.Idle = w.Ready == 0
		w.Cost = admission.SlotTime(r.ledger.Expected(&r.accounts[i]))
		for n, s := range p.workspaces[i].Held {
			e := end{workspace: int32(i), at: never}
			if !s.Stuck && p.durations[i].Known() {
				e.at = p.durations[i].draw(r.rnd, r.scales[i], s.Age)
			}
			if r.state.CountsSlotTime {
				e.hold = r.hold()
				r.ledger.Resume(e.hold, &r.accounts[i], slots.Kind{}, w.Next(n), r.at(-s.Age), r.at(0))
			}
			r.running.push(e)
		}
	}
	for i := range p.in.Cohorts {
		k := &r.state.Cohorts[i]
		k.Tags, k.Places = recorded(p.in.Cohorts[i].Tags, r.state.Clocks, k.Used > 0)
	}
	for i := range p.workspaces {
		w, clocks := &r.state.Workspaces[i], r.state.Clocks
		if w.Cohort != admission.NoCohort {
			clocks = r.state.Cohorts[w.Cohort].Clocks
		}
		w.Tags, w.Places = recorded(p.in.Workspaces[i].Tags, clocks, w.Ready > 0)
	}
	r.arriveNext()
}

// expected is what is known of a workspace's executions by those who charge it, or else by us.
func expected(w *Workspace, d Durations) slots.Mean {
	seconds := w.Expected.Seconds()
	if seconds <= 0 {
		seconds = d.mean
	}
	return slots.Known(seconds)
}

// recorded are tags as they are on record: times of the clocks, in which what is held has been charged.
func recorded(tags admission.Tags, clocks admission.Clocks, waits bool) (_ admission.Tags, places admission.Places) {
	for class := range tags {
		switch {
		case waits:
			places[class] = admission.Waiting
		case tags[class] > clocks[class]:
			places[class] = admission.Ahead
		}
	}
	return tags, places
}

// at is a time as the policy takes it.
func (r *run) at(t time.Duration) time.Time { return r.in.Now.Add(t) }

func (r *run) hold() *slots.Hold {
	if n := len(r.holds); n > 0 {
		h := r.holds[n-1]
		r.holds = r.holds[:n-1]
		return h
	}
	return new(slots.Hold)
}

func (r *run) touched(a *slots.Account) { r.changed = append(r.changed, a.Owner.(int32)) }

func (r *run) arriveNext() {
	r.next = never
	if all := r.arrivals[len(r.arrivals)-1]; all > 0 {
		r.next = r.now + time.Duration(min(r.rnd.ExpFloat64()/all, longest)*float64(time.Second))
	}
}

// never is later than any run comes to.
const never = time.Duration(1 << 62)

// advance moves the time on to the next decision for which there is a cause.
func (r *run) advance() bool {
	next := r.next
	if r.again {
		next = min(next, r.decideAt)
	}
	if r.rateDue > 0 {
		next = min(next, r.now+r.rateDue)
	}
	if len(r.running) > 0 {
		next = min(next, r.running[0].at)
	}
	if r.probed < len(r.probes) {
		next = min(next, r.probes[r.probed].at)
	}
	if next == never {
		return false
	}
	r.now = max(next, r.decideAt)
	for len(r.running) > 0 && r.running[0].at <= r.now {
		r.end(r.running.pop())
	}
	if r.state.CountsSlotTime {
		r.ledger.Pass(r.at(r.now))
	}
	for until := r.now; r.next <= until; r.now = until {
		r.now = r.next
		r.arrive()
		r.arriveNext()
	}
	for ; r.probed < len(r.probes) && r.probes[r.probed].at <= r.now; r.probed++ {
		p := &r.probes[r.probed]
		r.add(p.place, p.priority, arrival{p.at, p.point})
	}
	return true
}

// arrive has an item arrive in one of the workspaces.
func (r *run) arrive() {
	i := int32(sort.SearchFloat64s(r.arrivals, r.rnd.Float64()*r.arrivals[len(r.arrivals)-1]))
	if r.now < r.until[i] {
		r.add(i, r.workspaces[i].Arrivals.priority(r.rnd), arrival{r.now, none})
	}
}

func (r *run) add(i int32, priority int, a arrival) {
	line := &r.lines[i].arrived[priority]
	line.items = append(line.items, a)
	w := &r.state.Workspaces[i]
	if w.Ready++; w.Ready == 1 {
		w.Idle, w.Since = false, r.at(a.at)
	}
	r.waiting++
	r.changed = append(r.changed, i)
}

func (r *run) end(e end) {
	r.freed = append(r.freed, e.at)
	if r.state.CountsSlotTime {
		r.ledger.Pass(r.at(e.at))
		r.ledger.End(e.hold, r.at(e.at))
		r.holds = append(r.holds, e.hold)
	}
	r.free(e.workspace)
}

func (r *run) free(i int32) {
	w := &r.state.Workspaces[i]
	before := w.Pooled()
	w.Used--
	r.state.Global.Used--
	if w.Cohort != admission.NoCohort {
		r.state.Cohorts[w.Cohort].Used += w.Pooled() - before
	}
	r.changed = append(r.changed, i)
}

// decide asks the policy and starts what it grants. It returns how much that is.
func (r *run) decide() (started int) {
	r.rateDue, r.again = 0, false
	if r.waiting == 0 {
		r.freed = r.freed[:0]
		return 0
	}
	in := &r.state
	in.Now, in.Batch = r.at(r.now), r.batch()
	var d admission.Decision
	if r.known {
		d = r.decider.DecideAgain(*in, r.changed)
	} else {
		d = r.decider.Decide(*in)
	}
	r.known, r.changed = true, r.changed[:0]
	in.Follow(d)
	used := make([]int, len(d.Grants))
	for n, g := range d.Grants {
		used[n] = in.Workspaces[g.Workspace].Used
	}
	in.Charge(d, d.Grants)
	freed, probed := r.freed, false
	for n, g := range d.Grants {
		i := int32(g.Workspace)
		w := &in.Workspaces[i]
		for k := range g.Slots {
			at := r.now
			if len(freed) > 0 {
				at, freed = freed[0], freed[1:]
			}
			if !r.start(i, w.Next(used[n]+k), at) {
				freed, probed = append(freed, at), true
			}
		}
		w.Idle, w.Since = w.Ready == 0, r.at(r.lines[i].since(r.now))
		r.changed = append(r.changed, i)
		started += g.Slots
	}
	r.decided = r.now
	r.decideAt = r.now + min(max(leastCycle, r.now/50), r.cycle)
	r.rateDue, r.again = d.RateDue, started == in.Batch
	if r.freed = append(r.freed[:0], freed...); probed { // what a probe was granted is the next one's
		r.decideAt, r.again = r.now, true
	} else {
		r.freed = r.freed[:0]
	}
	return started
}

// batch is the most starts of a decision. It is also what bounds how many the dispatcher makes in a second.
func (r *run) batch() int {
	if r.perSecond <= 0 {
		return 1 << 20
	}
	return max(1, int(r.perSecond*max(r.now-r.decided, leastCycle).Seconds()))
}

// start starts the next item of a workspace on a slot that was free from a time on. It is false for a probe, which holds no slot.
func (r *run) start(i int32, class admission.Class, at time.Duration) bool {
	arrived, point := r.lines[i].pop(r.step)
	at = max(at, arrived) + r.turnaround
	w := &r.state.Workspaces[i]
	w.Ready--
	r.waiting--
	if point != none {
		starts := r.curves[i].starts
		starts[point] = append(starts[point], at.Seconds())
		r.recorded++
		if int(point) >= len(r.workspaces[i].Line) {
			w.Bucket.Tokens++
			r.free(i)
			return false
		}
	}
	e := end{workspace: i, at: at + r.durations[i].draw(r.rnd, r.scales[i], 0)}
	if r.state.CountsSlotTime {
		e.hold = r.hold()
		r.ledger.Begin(e.hold, &r.accounts[i], slots.Kind{}, class, r.at(at))
	}
	r.running.push(e)
	return true
}

func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
