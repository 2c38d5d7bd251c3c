package simulate

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"slices"
	"time"

	"sluice/internal/admission"
)

// Workspace is what a workspace may use in the simulation.
type Workspace struct {
	Name   string
	Cohort string // empty: none
	Weight int
	admission.Quota
	admission.Rate
}

// Execution is one item of the trace.
type Execution struct {
	Workspace int           // its place in Config.Workspaces
	At        time.Duration // when it becomes available, from the beginning
	Priority  int           // 1 to 5
	Runs      time.Duration // how long it holds its slot
}

// Config is a simulation.
type Config struct {
	Batch      int           // the most starts of one decision; 128 if zero
	Cycle      time.Duration // the least time between two decisions; 10 ms if zero
	Global     int           // slots of all workspaces together; zero: unlimited
	AgeingStep time.Duration // see admission.Due
	Until      time.Duration // ends the simulation before all is started; zero: never
	Workspaces []Workspace
	Executions []Execution // in any order
}

// Run plays the trace to its end. An error says what is wrong with it, or that something in it can never start.
func Run(c Config) (Report, error) {
	if err := c.validate(); err != nil {
		return Report{}, err
	}
	r := newRun(c)
	for !r.over() {
		if !r.advance() {
			return Report{}, fmt.Errorf("%d executions can never start under these limits", len(c.Executions)-r.started)
		}
		r.decide()
	}
	return r.report(), nil
}

func (c *Config) validate() error {
	for i, w := range c.Workspaces {
		if w.Weight < 1 || w.Ceiling < 0 || w.Nominal < 0 || w.BorrowingLimit < 0 || w.PerSecond < 0 || w.PerSecond > 0 && w.Burst < 1 {
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
	backlog       []int32      // workspaces with waiting executions
	again         bool         // another decision may grant more, without anything happening
	rateDue       time.Duration
	decider       admission.Decider
	started       int
	tally
}

func newRun(c Config) *run {
	r := &run{Config: c, state: make([]admission.Workspace, len(c.Workspaces)), waiting: make([][5][]int32, len(c.Workspaces))}
	r.input.Batch = c.Batch
	r.input.Global.Limit = admission.Unlimited
	if c.Global > 0 {
		r.input.Global.Limit = c.Global
	}
	cohorts := map[string]int{}
	for i, w := range c.Workspaces {
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
			cohort.Limit += min(w.Nominal, w.Ceiling)
			cohort.Weight += w.Weight
			s.Cohort = place
		}
		r.state[i] = s
	}
	r.arrivals = make([]int32, len(c.Executions))
	for i := range r.arrivals {
		r.arrivals[i] = int32(i)
	}
	slices.SortStableFunc(r.arrivals, func(a, b int32) int { return cmp.Compare(c.Executions[a].At, c.Executions[b].At) })
	r.tally = newTally(c)
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
	if next < 0 {
		return false
	}
	r.now = max(next, r.decideAt)
	for len(r.running) > 0 && r.running[0].at <= r.now {
		r.end(heap.Pop(&r.running).(end))
	}
	for len(r.arrivals) > 0 && r.Executions[r.arrivals[0]].At <= r.now {
		r.arrive(r.arrivals[0])
		r.arrivals = r.arrivals[1:]
	}
	return true
}

func (r *run) arrive(execution int32) {
	e := &r.Executions[execution]
	w := &r.state[e.Workspace]
	if w.Ready == 0 {
		r.backlog = append(r.backlog, int32(e.Workspace))
	}
	w.Ready++
	line := &r.waiting[e.Workspace][e.Priority-1]
	*line = append(*line, execution)
}

func (r *run) end(e end) {
	w := &r.state[e.workspace]
	w.Used--
	r.input.Global.Used--
	if w.Cohort != admission.NoCohort {
		r.input.Cohorts[w.Cohort].Used--
	}
}

// decide asks the policy and starts what it grants.
func (r *run) decide() {
	in := &r.input
	in.Now = epoch.Add(r.now)
	in.Workspaces = in.Workspaces[:0]
	for _, i := range r.backlog {
		w := r.state[i]
		w.Since = epoch.Add(r.oldest(i))
		in.Workspaces = append(in.Workspaces, w)
	}
	d := r.decider.Decide(*in)
	total := 0
	for _, g := range d.Grants {
		total += g.Slots
	}
	r.judge(in, d, total, r.backlog, r.state)
	in.Charge(d, d.Grants)
	for _, g := range d.Grants {
		place := r.backlog[g.Workspace]
		r.state[place] = in.Workspaces[g.Workspace]
		for range g.Slots {
			r.start(place)
		}
	}
	r.backlog = slices.DeleteFunc(r.backlog, func(i int32) bool { return r.state[i].Ready == 0 })
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

// start starts the workspace's next execution.
func (r *run) start(place int32) {
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
	e := &r.Executions[lines[best][0]]
	lines[best] = lines[best][1:]
	r.state[place].Ready--
	r.started++
	r.note(e, r.now)
	heap.Push(&r.running, end{at: r.now + e.Runs, workspace: place})
}

// end is when a slot is freed.
type end struct {
	at        time.Duration
	workspace int32
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
