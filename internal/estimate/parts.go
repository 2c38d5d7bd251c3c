package estimate

import (
	"math"
	"sort"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
)

// part is workspaces that share a limit, and what a run needs to know of them.
type part struct {
	places     []int           // in Snapshot.Workspaces
	in         admission.Input // of these alone
	workspaces []Workspace
	durations  []Durations
	curves     []points
	probes     []probe   // by their time
	arrivals   []float64 // a second, summed up by workspace
	perSecond  float64   // starts; zero: not bounded
	cycle      time.Duration
}

// points are those of a workspace's curve, first its places and then its probes.
type points struct {
	due    []time.Duration
	ids    []uuid.UUID
	number []float64 // about its place in the line
	time   []int     // in probeTimes, when it arrives; 0: it may wait already
	starts [][]float64
	why    string // nothing is played: for what reason
}

// probe is an item that would arrive.
type probe struct {
	at       time.Duration
	place    int32 // in part.workspaces
	priority int
	point    int32
}

// probeTimes are when items would arrive that a curve tells of.
var probeTimes = [...]time.Duration{0, 5 * time.Second, 15 * time.Second, time.Minute}

// least is how many starts a second a dispatcher is taken to manage before it has been seen to.
const least = 100

// divide makes the parts.
func divide(s *Snapshot) (parts []*part) {
	together := s.Input.Global.Limit != admission.Unlimited
	perSecond, demand := max(s.PerSecond, least), 0.0
	of := map[int]*part{}
	for i := range s.Workspaces {
		w := &s.Input.Workspaces[i]
		if d := s.Workspaces[i].Durations.or(s.Fleet); d.Known() && len(s.Workspaces[i].Line) > 0 {
			demand += float64(min(w.Ceiling, w.Ready)) / d.mean
		}
	}
	bound := demand > perSecond/2
	for i := range s.Workspaces {
		key := s.Input.Workspaces[i].Cohort
		switch {
		case together || bound:
			key = math.MinInt
		case key == admission.NoCohort:
			key = -2 - i
		}
		p := of[key]
		if p == nil {
			p = &part{in: s.Input}
			p.in.Workspaces = nil
			if bound {
				p.perSecond = perSecond
			}
			of[key], parts = p, append(parts, p)
		}
		p.add(s, i)
	}
	for _, p := range parts {
		if len(parts) > 1 {
			p.alone()
		}
		p.finish()
	}
	return parts
}

func (p *part) add(s *Snapshot, i int) {
	w, view := s.Workspaces[i], s.Input.Workspaces[i]
	d := w.Durations.or(s.Fleet)
	c := points{}
	switch {
	case view.Paused:
		c.why = string(admission.Paused)
	case !s.Input.MayHold(&view):
		c.why = NoCapacity
	case !d.Known():
		c.why = NoDurations
	}
	place := int32(len(p.workspaces))
	if c.why != "" {
		w.Line = nil
	}
	for _, at := range w.Line {
		c.due, c.ids, c.number, c.time = append(c.due, at.Due), append(c.ids, at.ID), append(c.number, float64(at.Number)), append(c.time, 0)
	}
	total, rate := 0.0, w.Arrivals.perSecond()
	if len(w.Line) > 0 {
		total = c.number[len(c.number)-1]
	}
	for priority, seen := range w.priorities(s.AgeingStep) {
		for n, at := range probeTimes {
			if c.why == "" && seen && !w.More {
				p.probes = append(p.probes, probe{at: at, place: place, priority: priority, point: int32(len(c.due))})
				c.ids, c.time = append(c.ids, uuid.Max), append(c.time, n)
				c.due = append(c.due, at+time.Duration(priority)*s.AgeingStep)
				c.number = append(c.number, total+1+rate*at.Seconds())
			}
		}
	}
	for range c.due {
		c.starts = append(c.starts, make([]float64, 0, Runs))
	}
	view.Ready = int(total)
	p.places, p.curves, p.durations = append(p.places, i), append(p.curves, c), append(p.durations, d)
	p.workspaces, p.in.Workspaces = append(p.workspaces, w), append(p.in.Workspaces, view)
	if c.why != "" {
		rate = 0
	}
	if n := len(p.arrivals); n > 0 {
		rate += p.arrivals[n-1]
	}
	p.arrivals = append(p.arrivals, rate)
}

// priorities are those of which items have been seen of late. Where none was, it is the usual one.
func (w *Workspace) priorities(step time.Duration) (seen [5]bool) {
	any := w.Arrivals.count() > 0
	for priority, n := range w.Arrivals.N {
		seen[priority] = n > 0
	}
	if len(w.Line) > 0 && step > 0 {
		last := w.Line[len(w.Line)-1].Due
		p := min(max(0, int(math.Ceil(last.Seconds()/step.Seconds()))), 4) // at least so far does the line reach
		seen[p], any = true, true
	}
	if !any {
		seen[2] = true
	}
	return seen
}

// alone leaves out the cohorts of others.
func (p *part) alone() {
	cohort := p.in.Workspaces[0].Cohort
	if cohort == admission.NoCohort {
		p.in.Cohorts = nil
		return
	}
	p.in.Cohorts = p.in.Cohorts[cohort : cohort+1]
	for i := range p.in.Workspaces {
		p.in.Workspaces[i].Cohort = 0
	}
}

func (p *part) finish() {
	sort.SliceStable(p.probes, func(a, b int) bool { return p.probes[a].at < p.probes[b].at })
	p.cycle = time.Second
	for i, d := range p.durations {
		if d.Known() && p.curves[i].why == "" {
			p.cycle = min(p.cycle, time.Duration(d.mean/4*float64(time.Second)))
		}
	}
	p.cycle = max(p.cycle, leastCycle)
}

// leastCycle is the least time between two decisions.
const leastCycle = 10 * time.Millisecond
