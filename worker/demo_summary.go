package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"sluice/queue"
)

// demoSummary is what a run of the demo came to.
type demoSummary struct {
	executions, refused int
	outcomes            map[string]int
	wall                time.Duration
	plans               []planWait
	peaks               []workspacePeak
	violations          int // workspaces that held more slots than their cap at some instant; must be 0
}

// planWait is how long executions of a plan waited for their slot.
type planWait struct {
	plan     string
	n        int
	p50, p99 time.Duration
}

// workspacePeak is the most slots a workspace ever held at once, against the most it was allowed.
type workspacePeak struct {
	name, plan string
	peak, cap  int
}

func summarise(f demoFacts, caps map[uuid.UUID]int, wall time.Duration) demoSummary {
	s := demoSummary{executions: len(f.executions), refused: f.refused, outcomes: map[string]int{}, wall: wall}
	waits := map[string][]time.Duration{}
	for _, e := range f.executions {
		s.outcomes[e.Status]++
		plan := f.workspaces[e.WorkspaceID].Plan
		waits[plan] = append(waits[plan], e.ClaimedAt.Sub(e.AvailableAt))
	}
	for plan, w := range waits {
		slices.Sort(w)
		s.plans = append(s.plans, planWait{plan, len(w), percentile(w, 0.50), percentile(w, 0.99)})
	}
	byWorkspace := map[uuid.UUID][]queue.SlotInterval{}
	for _, i := range f.intervals {
		byWorkspace[i.WorkspaceID] = append(byWorkspace[i.WorkspaceID], i)
	}
	capOf := map[string]int{}
	for id, w := range f.workspaces {
		p := workspacePeak{w.Name, w.Plan, peak(byWorkspace[id]), caps[id]}
		if p.peak > p.cap {
			s.violations++
		}
		s.peaks = append(s.peaks, p)
		capOf[w.Plan] = max(capOf[w.Plan], p.cap)
	}
	slices.SortFunc(s.plans, func(a, b planWait) int {
		return cmp.Or(cmp.Compare(capOf[a.plan], capOf[b.plan]), strings.Compare(a.plan, b.plan))
	})
	slices.SortFunc(s.peaks, func(a, b workspacePeak) int {
		return cmp.Or(cmp.Compare(a.cap, b.cap), strings.Compare(a.name, b.name))
	})
	return s
}

// peak is the largest number of intervals that hold at one instant. At its very end an interval holds no more: a slot
// that was freed and taken again in the same microsecond was never held twice.
func peak(intervals []queue.SlotInterval) int {
	type edge struct {
		at    time.Time
		delta int
	}
	var edges []edge
	for _, i := range intervals {
		edges = append(edges, edge{i.From, +1})
		if i.To != nil {
			edges = append(edges, edge{*i.To, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.delta, b.delta)) })
	held, most := 0, 0
	for _, e := range edges {
		held += e.delta
		most = max(most, held)
	}
	return most
}

// percentile of a sorted list, by nearest rank; zero for an empty one.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)]
}

func (s demoSummary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "demo: %d executions ended in %.1fs:", s.executions, s.wall.Seconds())
	for _, status := range slices.Sorted(maps.Keys(s.outcomes)) {
		fmt.Fprintf(&b, " %d %s", s.outcomes[status], status)
	}
	if s.refused > 0 {
		fmt.Fprintf(&b, "; %d items never started", s.refused)
	}
	fmt.Fprintf(&b, "\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "PLAN\tEXECUTIONS\tWAIT P50\tWAIT P99")
	for _, p := range s.plans {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%.2fs\t%.2fs\n", p.plan, p.n, p.p50.Seconds(), p.p99.Seconds())
	}
	_ = t.Flush() // a strings.Builder never fails
	fmt.Fprintln(&b)
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "WORKSPACE\tPLAN\tMOST AT ONCE\tCAP")
	for _, p := range s.peaks {
		_, _ = fmt.Fprintf(t, "%.24s\t%s\t%d\t%d\n", p.name, p.plan, p.peak, p.cap)
	}
	_ = t.Flush()
	fmt.Fprintf(&b, "\ncap violations: %d\n", s.violations)
	return b.String()
}
