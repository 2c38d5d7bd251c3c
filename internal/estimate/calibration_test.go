package estimate

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/admission/simulate"
)

// world is a simulation that is looked at while it runs: at each look intervals are given, and later they are judged.
type world struct {
	simulate.Config
	from, every time.Duration // of the looks
	most        int           // looks
	given       []given
	unsaid      int
}

type given struct {
	execution     int
	at            time.Duration // of the look
	after, before time.Duration // from the beginning
}

// snapshot is what would be on record at a moment, and who waits, by workspace, in order.
const quarter = 15 * time.Minute

func (w *world) snapshot(m simulate.Moment) (s Snapshot, lines [][]int) {
	in := admission.Input{Now: m.Input.Now, Global: m.Input.Global, Clocks: m.Input.Clocks, CountsSlotTime: m.Input.CountsSlotTime}
	for _, k := range m.Input.Cohorts {
		in.Cohorts = append(in.Cohorts, admission.Cohort{Name: k.Name, Pool: k.Pool, Weight: k.Weight, Tags: k.Tags, Clocks: k.Clocks})
	}
	for i := range m.Input.Workspaces {
		k := &m.Input.Workspaces[i]
		clocks := in.Clocks
		if k.Cohort != admission.NoCohort {
			clocks = in.Cohorts[k.Cohort].Clocks
		}
		recorded := admission.Workspace{ID: k.ID, Cohort: k.Cohort, Weight: k.Weight, Quota: k.Quota, Reserved: k.Reserved, Used: k.Used, Ready: k.Ready, Rate: k.Rate, Bucket: k.Bucket}
		for class := range k.Tags {
			recorded.Tags[class] = k.Absolute(admission.Class(class), clocks[class])
		}
		in.Workspaces = append(in.Workspaces, recorded)
	}
	s = Snapshot{Input: in, AgeingStep: w.AgeingStep, Workspaces: make([]Workspace, len(w.Workspaces))}
	lines = make([][]int, len(w.Workspaces))
	seen, all := make([][]Execution, len(w.Workspaces)), []Execution{}
	for n, e := range w.Executions {
		of := &s.Workspaces[e.Workspace]
		if e.At > m.Now {
			continue
		}
		if ago := m.Now - e.At; ago < quarter {
			of.Arrivals.Add(e.Priority, 1, ago, ago)
		}
		at := m.Started[n]
		x := Execution{Began: m.Now - at, Ran: min(e.Runs, m.Now-at), Ended: at+e.Runs <= m.Now}
		switch {
		case at < 0:
			lines[e.Workspace] = append(lines[e.Workspace], n)
			continue
		case !x.Ended:
			of.Held = append(of.Held, Slot{Age: x.Ran})
		case at+e.Runs < m.Now-quarter:
			continue
		default:
			s.Longest = max(s.Longest, e.Runs)
		}
		seen[e.Workspace], all = append(seen[e.Workspace], x), append(all, x)
	}
	s.Fleet = Observed(quarter, all)
	for i, line := range lines {
		due := func(n int) time.Duration {
			e := w.Executions[n]
			return e.At + time.Duration(e.Priority-1)*w.AgeingStep - m.Now
		}
		slices.SortStableFunc(line, func(a, b int) int { return int(due(a) - due(b)) })
		of := &s.Workspaces[i]
		of.Durations, of.Expected = Observed(quarter, seen[i]), m.Expected(i)
		known := LinePlaces(len(line))
		for n := 1; n < len(line); n++ {
			if due(line[n])-due(line[n-1]) > (due(line[len(line)-1])-due(line[0]))/Gaps {
				known = append(known, n, n+1)
			}
		}
		slices.Sort(known)
		for _, number := range slices.Compact(known) {
			of.Line = append(of.Line, Place{Number: number, Due: due(line[number-1])})
		}
		in.Workspaces[i].Ready = len(line)
	}
	return s, lines
}

// play runs the world and returns the share of the intervals that held.
func (w *world) play(t *testing.T, seed uint64) (held float64) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 99))
	next := w.from
	w.Look = func(m simulate.Moment) {
		if m.Now < next || w.most == 0 {
			return
		}
		next = m.Now + w.every
		w.most--
		s, lines := w.snapshot(m)
		list := Curves(s)
		for i, line := range lines {
			for range min(len(line), 3) { // at random, so each look counts alike
				n := line[rnd.IntN(len(line))]
				e := w.Executions[n]
				after, before, why := list[i].At(e.At + time.Duration(e.Priority-1)*w.AgeingStep - m.Now)
				if why != "" {
					w.unsaid++
					continue
				}
				w.given = append(w.given, given{n, m.Now, m.Now + after, m.Now + before})
			}
		}
	}
	var at []time.Duration
	look := w.Look
	w.Look = func(m simulate.Moment) { at = m.Started; look(m) }
	_, err := simulate.Run(w.Config)
	require.NoError(t, err)
	var widths []time.Duration
	var ratios []float64
	early := 0
	for _, g := range w.given {
		switch start := at[g.execution]; {
		case start < g.after:
			early++
		case start <= g.before:
			held++
		}
		widths = append(widths, g.before-g.after)
		ratios = append(ratios, float64(g.before-g.after)/float64(max(time.Millisecond, (g.before+g.after)/2-g.at)))
	}
	slices.Sort(widths)
	slices.Sort(ratios)
	n := len(widths)
	require.Greater(t, n, 50)
	t.Logf("seed %d: %d intervals, %d not said; %.3f held, %.3f early; median width %s, %.2f of the wait", seed, n, w.unsaid,
		held/float64(n), float64(early)/float64(n), widths[n/2].Round(time.Millisecond), ratios[n/2])
	return held / float64(n)
}

func upTo(ceiling, weight int) simulate.Workspace {
	return simulate.Workspace{Name: "w", Weight: weight, Quota: admission.Quota{Ceiling: ceiling, Nominal: ceiling, BorrowingLimit: admission.Unlimited}}
}

// steady is thirty workspaces that are in use to nine tenths for an hour and a half, each with executions of another length.
func steady(seed uint64) *world {
	w := &world{from: 30 * time.Minute, every: 5 * time.Minute, most: 12, Config: simulate.Config{SlotTime: true, AgeingStep: 5 * time.Minute, Until: 3 * time.Hour}}
	for n := range 30 {
		limit, mean := 1+n%5, time.Duration(5+10*(n%4))*time.Second
		of := simulate.Class{Workspace: upTo(limit, 1+n%3), Count: 1, Over: 2 * time.Hour, Runs: mean, Executions: int(0.92 * float64(limit) * (2 * time.Hour).Seconds() / mean.Seconds())}
		w.add(seed*1000+uint64(n), of)
	}
	return w
}

// flood is forty workspaces under a limit of all together that they need half of, and five that each enqueue 1,000 items in a minute.
func flood(seed uint64) *world {
	w := &world{from: 11 * time.Minute, every: 8 * time.Minute, most: 4, Config: simulate.Config{SlotTime: true, AgeingStep: 5 * time.Minute, Global: 60, Until: 150 * time.Minute}}
	for n := range 40 {
		w.add(seed*1000+uint64(n), simulate.Class{Workspace: upTo(5, 1), Count: 1, Over: 150 * time.Minute, Runs: 15 * time.Second, Executions: 450})
	}
	for n := range 5 {
		w.add(seed*1000+500+uint64(n), simulate.Class{Workspace: upTo(20, 1+n), Count: 1, From: 10 * time.Minute, Over: time.Minute, Runs: time.Duration(5+5*n) * time.Second, Executions: 1000, Priorities: []int{1, 3, 3, 3, 5}})
	}
	return w
}

// cut is twenty workspaces with a backlog whose limits are cut to a third, and that of all together, too.
func cut(seed uint64) *world {
	w := &world{from: 10*time.Minute + time.Second, every: 4 * time.Minute, most: 10, Config: simulate.Config{SlotTime: true, AgeingStep: 5 * time.Minute, Global: 100, Until: 12 * time.Hour}}
	for n := range 20 {
		limit, mean := 6+6*(n%3), time.Duration(20+30*(n%3))*time.Second
		w.add(seed*1000+uint64(n), simulate.Class{Workspace: upTo(limit, 1+n%3), Count: 1, Over: 10 * time.Minute, Runs: mean, Executions: 600 * limit / int(mean.Seconds()) * 2})
		if n%2 == 0 {
			w.Changes = append(w.Changes, simulate.Change{At: 10 * time.Minute, Workspace: n, Ceiling: limit / 3})
		}
	}
	w.Changes = append(w.Changes, simulate.Change{At: 10 * time.Minute, Workspace: -1, Ceiling: 60})
	return w
}

func (w *world) add(seed uint64, c simulate.Class) {
	ws, executions := simulate.Generate(seed, c)
	for i := range executions {
		executions[i].Workspace = len(w.Workspaces)
	}
	w.Workspaces, w.Executions = append(w.Workspaces, ws...), append(w.Executions, executions...)
}

var seeds = flag.Int("seeds", 2, "how many simulations of each kind")

// Of all intervals nine in ten hold, whether there is steady work, a flood, or limits have been cut.
func TestNineIntervalsInTenHold(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("calculates for half a minute, for six under the race detector, and nothing in it runs side by side")
	}
	for name, make := range map[string]func(uint64) *world{"steady": steady, "flood": flood, "cut": cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sum := 0.0
			for n := range *seeds {
				sum += make(uint64(101+n)).play(t, uint64(n)) / float64(*seeds)
			}
			t.Logf("%.3f of %d", sum, *seeds)
			require.InDelta(t, 0.9, sum, 0.05)
		})
	}
}
