package simulate

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"sluice/internal/admission"
	"sluice/internal/admission/slots"
)

// Workspace is what a workspace may use in the simulation.
type Workspace struct {
	Name   string
	Cohort string // empty: none
	Weight int
	admission.Quota
	LendingLimit *int // how much of its nominal quota it leaves to its cohort while it is idle; nil: all
	admission.Rate
}

// Execution is one item of the trace.
type Execution struct {
	Workspace int           // its place in Config.Workspaces
	At        time.Duration // when it becomes available, from the beginning
	Priority  int           // 1 to 5
	Runs      time.Duration // how long it holds its slot
	Kind      slots.Kind    // what it has in common with those that are expected to take as long
}

// Config is a simulation.
type Config struct {
	Batch      int           // the most starts of one decision; 128 if zero
	Cycle      time.Duration // the least time between two decisions; 10 ms if zero
	Global     int           // slots of all workspaces together; zero: unlimited, below zero: none
	AgeingStep time.Duration // see admission.Due
	Until      time.Duration // ends the simulation before all is started; zero: never
	SlotTime   bool          // fairness counts slot time, not starts
	Look       func(Moment)  // is called after each decision; nil: by nobody
	Stop       func() error  // is asked before each decision: an error ends the simulation; nil: nothing does
	Workspaces []Workspace
	Executions []Execution // in any order
	Changes    []Change    // by their time
}

// Change is a limit that becomes another on the way.
type Change struct {
	At        time.Duration
	Workspace int // its place in Config.Workspaces; below zero: the limit of all workspaces together
	Ceiling   int
}

// Moment is how a simulation stands at a time.
type Moment struct {
	Now     time.Duration
	Input   admission.Input // with all workspaces, as they stand in Config.Workspaces; nothing in it may be changed
	Started []time.Duration // when each execution was started; below zero: not yet
	// Expected is for how long the next execution of a workspace is expected to hold its slot.
	Expected func(workspace int) time.Duration
}

// Run plays the trace to its end: until all is started that can be. An error says what is wrong with it, or is that of Stop.
func Run(c Config) (Report, error) {
	if err := c.validate(); err != nil {
		return Report{}, err
	}
	r := newRun(c)
	for !r.over() {
		if c.Stop != nil {
			if err := c.Stop(); err != nil {
				return Report{}, err
			}
		}
		if !r.advance() { // what is left can never start
			r.now = r.lastStart
			break
		}
		r.decide()
		if c.Look != nil {
			in := r.input
			in.Now, in.Workspaces = epoch.Add(r.now), r.state
			c.Look(Moment{r.now, in, r.at, func(i int) time.Duration { return r.ledger.Expected(&r.accounts[i]) }})
		}
	}
	return r.report(), nil
}

func (c *Config) validate() error {
	for i, w := range c.Workspaces {
		if w.Weight < 1 || w.Ceiling < 0 || w.Nominal < 0 || w.BorrowingLimit < 0 || w.LendingLimit != nil && *w.LendingLimit < 0 || w.PerSecond < 0 || w.PerSecond > 0 && w.Burst < 1 {
			return fmt.Errorf("workspace %d (%s) has a weight below 1, a burst below 1 or a negative limit", i, w.Name)
		}
	}
	for i, e := range c.Executions {
		switch {
		case e.Workspace < 0 || e.Workspace >= len(c.Workspaces):
			return fmt.Errorf("execution %d is of workspace %d, of which there are %d", i, e.Workspace, len(c.Workspaces))
		case e.At < 0 || e.Runs < 0:
			return fmt.Errorf("execution %d has a negative time", i)
		case e.Priority < 1 || e.Priority > 5:
			return fmt.Errorf("execution %d has priority %d, not 1 to 5", i, e.Priority)
		}
	}
	c.Batch, c.Cycle = cmp.Or(c.Batch, 128), cmp.Or(c.Cycle, 10*time.Millisecond)
	return nil
}

// epoch is when simulations begin; only differences of it count.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// run is one simulation on its way.
type run struct {
	Config
	now, decideAt time.Duration
	arrivals      []int32 // executions by their time
	running       ends
	input         admission.Input // its Workspaces are those with a backlog, for one decision
	state         []admission.Workspace
	waiting       [][5][]int32 // executions by workspace and priority, oldest first
	backlog       []int32      // workspaces with waiting executions, and those that are ahead
	seen          []bool       // whether a workspace is among them
	again         bool         // another decision may grant more, without anything happening
	rateDue       time.Duration
	decider       admission.Decider
	ledger        slots.Ledger
	accounts      []slots.Account // of the workspaces
	holds         []slots.Hold    // of the executions
	at            []time.Duration // when they were started; below zero: not yet
	started       int
	slots         slotTally
	tally
}

func newRun(c Config) *run {
	r := &run{Config: c, state: make([]admission.Workspace, len(c.Workspaces)), waiting: make([][5][]int32, len(c.Workspaces)), seen: make([]bool, len(c.Workspaces))}
	r.input.Batch, r.input.CountsSlotTime = c.Batch, c.SlotTime
	r.ledger.Input, r.ledger.Touched = &r.input, r.charged
	r.accounts, r.holds = make([]slots.Account, len(c.Workspaces)), make([]slots.Hold, len(c.Executions))
	r.input.Global.Limit = admission.Unlimited
	if c.Global != 0 {
		r.input.Global.Limit = max(0, c.Global)
	}
	cohorts := map[string]int{}
	for i, w := range c.Workspaces {
		w.Nominal = min(w.Nominal, w.Ceiling)
		s := admission.Workspace{Cohort: admission.NoCohort, Weight: w.Weight, Quota: w.Quota, Rate: w.Rate}
		s.ID[12], s.ID[13], s.ID[14], s.ID[15] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		if w.Cohort != "" {
			place, known := cohorts[w.Cohort]
			if !known {
				place = len(r.input.Cohorts)
				cohorts[w.Cohort] = place
				r.input.Cohorts = append(r.input.Cohorts, admission.Cohort{Name: w.Cohort})
			}
			cohort := &r.input.Cohorts[place]
			if w.LendingLimit != nil {
				s.Reserved = max(0, s.Nominal-*w.LendingLimit)
			}
			cohort.Limit = admission.Sum(cohort.Limit, s.Lends())
			cohort.Weight += w.Weight
			s.Cohort = place
		}
		r.state[i] = s
		r.accounts[i].Workspace = &r.state[i]
	}
	r.arrivals, r.at = make([]int32, len(c.Executions)), make([]time.Duration, len(c.Executions))
	for i := range r.arrivals {
		r.arrivals[i], r.at[i] = int32(i), -1
	}
	slices.SortStableFunc(r.arrivals, func(a, b int32) int { return cmp.Compare(c.Executions[a].At, c.Executions[b].At) })
	r.tally, r.slots = newTally(c), newSlotTally(len(c.Workspaces))
	return r
}

func (r *run) over() bool {
	return r.started == len(r.Executions) || r.Until > 0 && r.now >= r.Until
}

// advance moves the time on to the next decision for which there is a cause. It is false when nothing can happen any more.
func (r *run) advance() bool {
	next := time.Duration(-1)
	consider := func(at time.Duration) {
		if next < 0 || at < next {
			next = at
		}
	}
	if r.again {
		consider(r.decideAt)
	}
	if r.rateDue > 0 {
		consider(r.now + r.rateDue)
	}
	if len(r.arrivals) > 0 {
		consider(r.Executions[r.arrivals[0]].At)
	}
	if len(r.running) > 0 {
		consider(r.running[0].at)
	}
	if len(r.Changes) > 0 {
		consider(r.Changes[0].At)
	}
	if next < 0 {
		return false
	}
	was := r.now
	r.now = max(next, r.decideAt)
	r.slots.passed(r, r.now-was)
	for len(r.running) > 0 && r.running[0].at <= r.now {
		r.end(heap.Pop(&r.running).(end))
	}
	r.ledger.Pass(epoch.Add(r.now))
	for len(r.arrivals) > 0 && r.Executions[r.arrivals[0]].At <= r.now {
		r.arrive(r.arrivals[0])
		r.arrivals = r.arrivals[1:]
	}
	for ; len(r.Changes) > 0 && r.Changes[0].At <= r.now; r.Changes = r.Changes[1:] {
		r.change(r.Changes[0])
	}
	return true
}

func (r *run) change(c Change) {
	if c.Workspace < 0 {
		r.input.Global.Limit = c.Ceiling
		return
	}
	w, own := &r.state[c.Workspace], r.Workspaces[c.Workspace].Nominal
	pooled, lent := w.Pooled(), w.Lends()
	w.Ceiling, w.Nominal = c.Ceiling, min(own, c.Ceiling)
	if w.Cohort != admission.NoCohort {
		k := &r.input.Cohorts[w.Cohort]
		k.Used += w.Pooled() - pooled
		k.Limit += w.Lends() - lent
	}
}

func (r *run) arrive(execution int32) {
	e := &r.Executions[execution]
	w := &r.state[e.Workspace]
	r.show(e.Workspace)
	r.slots.came(e.Workspace)
	if w.Ready++; w.Ready == 1 {
		w.Since = epoch.Add(e.At)
	}
	line := &r.waiting[e.Workspace][e.Priority-1]
	*line = append(*line, execution)
}

// show has the policy see a workspace.
func (r *run) show(workspace int) {
	if !r.seen[workspace] {
		r.seen[workspace] = true
		r.backlog = append(r.backlog, int32(workspace))
	}
}

// charged has the policy see a workspace that is ahead because of what it still runs.
func (r *run) charged(a *slots.Account) {
	if a.Workspace.Places != (admission.Places{}) {
		r.show(int(binary.BigEndian.Uint32(a.Workspace.ID[12:])))
	}
}

func (r *run) end(e end) {
	at := epoch.Add(e.at)
	r.ledger.Pass(at)
	r.ledger.End(&r.holds[e.execution], at)
	w := &r.state[e.workspace]
	before := w.Pooled()
	w.Used--
	r.input.Global.Used--
	if w.Cohort != admission.NoCohort {
		r.input.Cohorts[w.Cohort].Used += w.Pooled() - before
	}
}

// decide asks the policy and starts what it grants.
func (r *run) decide() {
	in := &r.input
	in.Now = epoch.Add(r.now)
	in.Workspaces = in.Workspaces[:0]
	for _, i := range r.backlog {
		w := r.state[i]
		if r.SlotTime {
			w.Cost = admission.SlotTime(r.ledger.Expected(&r.accounts[i]))
		}
		w.Idle = w.Ready == 0
		in.Workspaces = append(in.Workspaces, w)
	}
	d := r.decider.Decide(*in)
	total := 0
	for _, g := range d.Grants {
		total += g.Slots
	}
	r.judge(in, d, total, r.backlog, r.state)
	in.Follow(d)
	in.Charge(d, d.Grants)
	for _, i := range d.Moved {
		w, moved := &r.state[r.backlog[i]], &in.Workspaces[i]
		w.Tags, w.Places = moved.Tags, moved.Places
	}
	for _, g := range d.Grants {
		place := r.backlog[g.Workspace]
		used := r.state[place].Used
		r.state[place] = in.Workspaces[g.Workspace]
		for n := range g.Slots {
			r.start(place, r.state[place].Next(used+n))
		}
		r.charged(&r.accounts[place])
	}
	r.backlog = slices.DeleteFunc(r.backlog, func(i int32) bool {
		r.seen[i] = r.state[i].Ready > 0 || r.state[i].Places != admission.Places{}
		return !r.seen[i]
	})
	r.decideAt, r.again, r.rateDue = r.now+r.Cycle, total == r.Batch, d.RateDue
}

// oldest is when the workspace's oldest waiting execution became available.
func (r *run) oldest(place int32) time.Duration {
	oldest := time.Duration(math.MaxInt64)
	for _, line := range r.waiting[place] {
		if len(line) > 0 {
			oldest = min(oldest, r.Executions[line[0]].At)
		}
	}
	return oldest
}

// start starts the workspace's next execution, on a slot of a class.
func (r *run) start(place int32, class admission.Class) {
	lines := &r.waiting[place]
	best, due := -1, time.Time{}
	for p, line := range lines {
		if len(line) == 0 {
			continue
		}
		if d := admission.Due(epoch.Add(r.Executions[line[0]].At), p+1, r.AgeingStep); best < 0 || d.Before(due) {
			best, due = p, d
		}
	}
	number := lines[best][0]
	e := &r.Executions[number]
	lines[best] = lines[best][1:]
	r.state[place].Ready--
	r.state[place].Since = epoch.Add(r.oldest(place))
	r.started++
	r.at[number] = r.now
	r.note(e, r.now)
	r.ledger.Begin(&r.holds[number], &r.accounts[place], e.Kind, class, epoch.Add(r.now))
	heap.Push(&r.running, end{at: r.now + e.Runs, workspace: place, execution: number})
}

// end is when a slot is freed.
type end struct {
	at        time.Duration
	workspace int32
	execution int32
}

type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at < e[j].at }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}
