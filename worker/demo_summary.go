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

	"sluice/internal/store/facts"
)

// demoSummary is what a run of the demo came to.
type demoSummary struct {
	executions, refused int
	outcomes            map[string]int
	wall                time.Duration
	plans               []planWait
	peaks               []workspacePeak
	violations          int // workspaces that held more slots than their limit at some instant; must be 0
}

// planWait is how long executions of a plan waited for their slot.
type planWait struct {
	plan     string
	n        int
	p50, p99 time.Duration
}

// workspacePeak is the most slots a workspace ever held at once, against the most it was allowed.
type workspacePeak struct {
	name, plan  string
	peak, limit int
}

func summarise(f demoFacts, limits map[uuid.UUID]int, wall time.Duration) demoSummary {
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
	byWorkspace := map[uuid.UUID][]facts.HeldSlot{}
	for _, s := range f.slots {
		byWorkspace[s.WorkspaceID] = append(byWorkspace[s.WorkspaceID], s)
	}
	limitOf := map[string]int{}
	for id, w := range f.workspaces {
		p := workspacePeak{w.Name, w.Plan, peak(byWorkspace[id]), limits[id]}
		if p.peak > p.limit {
			s.violations++
		}
		s.peaks = append(s.peaks, p)
		limitOf[w.Plan] = max(limitOf[w.Plan], p.limit)
	}
	slices.SortFunc(s.plans, func(a, b planWait) int {
		return cmp.Or(cmp.Compare(limitOf[a.plan], limitOf[b.plan]), strings.Compare(a.plan, b.plan))
	})
	slices.SortFunc(s.peaks, func(a, b workspacePeak) int {
		return cmp.Or(cmp.Compare(a.limit, b.limit), strings.Compare(a.name, b.name))
	})
	return s
}

// peak is the largest number of slots that were held at one instant. At its very end a slot is held no more: one that was
// freed and taken again in the same microsecond was never held twice.
func peak(slots []facts.HeldSlot) int {
	type edge struct {
		at    time.Time
		delta int
	}
	var edges []edge
	for _, s := range slots {
		edges = append(edges, edge{s.From, +1})
		if s.To != nil {
			edges = append(edges, edge{*s.To, -1})
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
	_, _ = fmt.Fprintln(t, "WORKSPACE\tPLAN\tMOST AT ONCE\tLIMIT")
	for _, p := range s.peaks {
		_, _ = fmt.Fprintf(t, "%.24s\t%s\t%d\t%d\n", p.name, p.plan, p.peak, p.limit)
	}
	_ = t.Flush()
	fmt.Fprintf(&b, "\nlimits violated: %d\n", s.violations)
	return b.String()
}
