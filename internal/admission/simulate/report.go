package simulate

import (
	"math"
	"slices"
	"time"

	"sluice/internal/admission"
)

// Report is what would have happened.
type Report struct {
	Workspaces []Outcome
	Priorities [5]PriorityOutcome // 1 to 5
	Waits      Waits              // of all executions that were started
	Lasted     time.Duration      // until the last execution ended
	Started    []time.Duration    // when each execution was started, as they stand in Config.Executions; below zero: never
	// NeverStarted is how many executions were never started: their limits let none of them start, or the simulation was ended before.
	NeverStarted int
	// Utilisation is how much of the global limit was in use on average until the last start; zero without one.
	Utilisation float64
	// Fairness is that of starts, and SlotTime that of the time for which slots are held, with lags in seconds. They are nil when
	// there are nominal quotas or cohorts; see the package.
	Fairness *Fairness
	SlotTime *Fairness
	// Waited counts, for each reason, the decisions in which a workspace was granted nothing for it.
	Waited map[admission.Reason]int
}

// Outcome is what would have become of one workspace.
type Outcome struct {
	Name         string
	Executions   int // that were started
	NeverStarted int
	Waits        Waits
	Utilisation  float64 // how much of its ceiling it used on average, until the last start of all
	MaxLag       float64 // in executions; see the package
	Share        float64 // of what the fluid schedule gives it; zero when that is less than fewest
}

// PriorityOutcome is what would have become of the executions of one priority.
type PriorityOutcome struct {
	Executions int
	Waits      Waits
}

// Waits are the times from being available to being started.
type Waits struct {
	P50 time.Duration
	P99 time.Duration
	Max time.Duration
}

// Fairness judges all contended decisions together.
type Fairness struct {
	Jain   float64 // Jain's index of the shares: 1 when all have the same, 1/n when one has everything
	MaxLag float64 // the highest of any workspace at any time
	Judged int     // decisions that were contended
}

// fewest is how many executions the fluid schedule must give a workspace for its share to be a figure: of fewer, one
// more or less is too much.
const fewest = 20

// tally collects during a simulation what the report tells.
type tally struct {
	waits     [][]time.Duration  // by workspace
	urgency   [5][]time.Duration // the same by priority
	held      []time.Duration    // slot time until the last start, by workspace
	lastEnd   time.Duration
	lastStart time.Duration
	spans     []span
	judging   bool
	judged    int
	given     []int     // by the last decision
	lag       []float64 // behind the fluid schedule
	maxLag    []float64
	got       []float64 // in contended decisions, and so the next
	ideal     []float64
	behind    []int32 // workspaces with something left in either schedule
	inFluid   []bool  // whether a workspace is among them
	rooms     []float64
	weights   []int
	fluid     []float64
	waited    map[admission.Reason]int
}

// span is a slot that was held.
type span struct {
	workspace int32
	from, to  time.Duration
}

func newTally(c Config) tally {
	n := len(c.Workspaces)
	t := tally{
		waits: make([][]time.Duration, n), held: make([]time.Duration, n), lag: make([]float64, n), maxLag: make([]float64, n),
		given: make([]int, n), got: make([]float64, n), ideal: make([]float64, n), inFluid: make([]bool, n), spans: make([]span, 0, len(c.Executions)),
		judging: true, waited: map[admission.Reason]int{},
	}
	for _, w := range c.Workspaces {
		t.judging = t.judging && w.Cohort == "" && w.Nominal >= w.Ceiling
	}
	return t
}

func (t *tally) note(e *Execution, now time.Duration) {
	t.waits[e.Workspace] = append(t.waits[e.Workspace], now-e.At)
	t.urgency[e.Priority-1] = append(t.urgency[e.Priority-1], now-e.At)
	t.spans = append(t.spans, span{int32(e.Workspace), now, now + e.Runs})
	t.lastStart, t.lastEnd = now, max(t.lastEnd, now+e.Runs)
}

// judge compares a decision with the fluid schedule. The workspaces of the input stand at these places.
func (r *run) judge(in *admission.Input, d admission.Decision, total int, places []int32, state []admission.Workspace) {
	t := &r.tally
	for reason, n := range d.Waiting {
		t.waited[reason] += n
	}
	if !t.judging {
		return
	}
	for _, place := range places {
		t.given[place] = 0
	}
	for _, g := range d.Grants {
		t.given[places[g.Workspace]] = g.Slots
	}
	contended := false
	for i, place := range places {
		contended = contended || in.Workspaces[i].Room(in.Now) > t.given[place]
	}
	r.slots.contended = contended
	if !contended { // each has all that it could take: nothing is owed to any
		for _, place := range t.behind {
			t.lag[place], t.inFluid[place] = 0, false
		}
		t.behind = t.behind[:0]
		return
	}
	t.judged++
	for i, place := range places {
		if !t.inFluid[place] && !in.Workspaces[i].Idle {
			t.inFluid[place] = true
			t.behind = append(t.behind, place)
		}
	}
	t.rooms, t.weights = t.rooms[:0], t.weights[:0]
	for _, place := range t.behind {
		w := state[place]
		waiting := float64(w.Ready) - t.lag[place] // in the fluid schedule
		w.Ready = math.MaxInt32
		t.rooms, t.weights = append(t.rooms, max(0, min(waiting, float64(w.Room(in.Now))))), append(t.weights, w.Weight)
	}
	t.fluid = pour(t.fluid[:0], float64(total), t.rooms, t.weights)
	stay := t.behind[:0]
	for i, place := range t.behind {
		given := 0
		if state[place].Ready > 0 {
			given = t.given[place]
		}
		t.lag[place] += t.fluid[i] - float64(given)
		t.maxLag[place] = max(t.maxLag[place], t.lag[place])
		t.got[place] += float64(given)
		t.ideal[place] += t.fluid[i]
		if state[place].Ready > given || t.lag[place] < -1e-9 {
			stay = append(stay, place)
		} else {
			t.lag[place], t.inFluid[place] = 0, false
		}
	}
	t.behind = stay
}

// pour divides an amount by weight among vessels, none of which takes more than its room.
func pour(into []float64, amount float64, rooms []float64, weights []int) []float64 {
	weight := 0
	for i, room := range rooms {
		into = append(into, 0)
		if room > 0 {
			weight += weights[i]
		}
	}
	for weight > 0 && amount > 1e-9 {
		level := amount / float64(weight)
		full := false
		for i, room := range rooms {
			if into[i] == 0 && room > 0 && room <= level*float64(weights[i]) {
				amount -= room
				into[i] = room
				weight -= weights[i]
				full = true
			}
		}
		if full {
			continue // the others can have more
		}
		for i, room := range rooms {
			if into[i] == 0 && room > 0 {
				into[i] = level * float64(weights[i])
			}
		}
		break
	}
	return into
}

// Jain is Jain's fairness index; 1 without workspaces.
func Jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(shares)) * squares)
}

func waits(all []time.Duration) Waits {
	if len(all) == 0 {
		return Waits{}
	}
	slices.Sort(all)
	at := func(p int) time.Duration { return all[(len(all)*p+99)/100-1] } // the smallest that p percent do not exceed
	return Waits{P50: at(50), P99: at(99), Max: all[len(all)-1]}
}

func (r *run) report() Report {
	report := Report{Workspaces: make([]Outcome, len(r.Workspaces)), Lasted: r.lastEnd, Started: r.at, NeverStarted: len(r.Executions) - r.started, Waited: r.waited}
	var all []time.Duration
	var held time.Duration
	for _, s := range r.spans {
		h := min(s.to, r.now) - s.from
		r.held[s.workspace] += h
		held += h
	}
	if r.Global > 0 && r.now > 0 {
		report.Utilisation = float64(held) / float64(r.now) / float64(r.Global)
	}
	never := make([]int, len(r.Workspaces))
	for i, e := range r.Executions {
		if r.at[i] < 0 {
			never[e.Workspace]++
		}
	}
	var shares []float64
	fairness := Fairness{Judged: r.judged}
	for i, w := range r.Workspaces {
		o := Outcome{Name: w.Name, Executions: len(r.waits[i]), NeverStarted: never[i], Waits: waits(r.waits[i]), MaxLag: r.maxLag[i]}
		if r.now > 0 && w.Ceiling > 0 {
			o.Utilisation = float64(r.held[i]) / float64(r.now) / float64(w.Ceiling)
		}
		if r.ideal[i] >= fewest {
			o.Share = r.got[i] / r.ideal[i]
			shares = append(shares, o.Share)
		}
		fairness.MaxLag = max(fairness.MaxLag, o.MaxLag)
		all = append(all, r.waits[i]...)
		report.Workspaces[i] = o
	}
	for i, all := range r.urgency {
		report.Priorities[i] = PriorityOutcome{Executions: len(all), Waits: waits(all)}
	}
	report.Waits = waits(all)
	if r.judging && r.started > 0 {
		fairness.Jain = Jain(shares)
		report.Fairness, report.SlotTime = &fairness, r.slots.fairness(r)
	}
	return report
}
