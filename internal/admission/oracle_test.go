package admission

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// naive is the oracle: one start at a time, each time looking at all workspaces again. It keeps the state of each line in
// plain maps and works everything out anew for each start.
type naive struct {
	in     Input
	got    map[int]int
	clocks map[string]VirtualTime // by line
	starts map[string]VirtualTime // by what stands in it
	prices map[string]VirtualTime
}

func naiveDecide(in Input) map[int]int {
	in.Workspaces, in.Cohorts = slices.Clone(in.Workspaces), slices.Clone(in.Cohorts)
	n := naive{in: in, got: map[int]int{}}
	for class := range classes {
		n.lineUp(class)
		for total(n.got) < in.Batch && n.give(class) {
		}
	}
	return n.got
}

func total(got map[int]int) (sum int) {
	for _, n := range got {
		sum += n
	}
	return sum
}

// can tells whether a workspace could take a start of the class if it were the only one.
func (n *naive) can(w Workspace, class Class) bool {
	given, tokens := n.got[number(w.ID)], 1<<30
	if w.PerSecond > 0 {
		tokens = w.Burst
		if !w.At.IsZero() {
			tokens = int(min(float64(w.Burst), w.Tokens+w.PerSecond*n.in.Now.Sub(w.At).Seconds()) + 1e-6)
		}
	}
	borrows := w.Used >= w.Nominal // as one more
	within := !borrows || w.BorrowingLimit == Unlimited || w.Used < w.Nominal+w.BorrowingLimit
	return given < w.Ready && given < tokens && w.Used < w.Ceiling && borrows == (class == Borrowed) && within
}

func (n *naive) cohortFull(w Workspace) bool {
	return w.Cohort != NoCohort && n.in.Cohorts[w.Cohort].Limit != Unlimited && n.in.Cohorts[w.Cohort].Used >= n.in.Cohorts[w.Cohort].Limit
}

func (n *naive) lineOf(w Workspace) string {
	if w.Cohort == NoCohort {
		return ""
	}
	return n.in.Cohorts[w.Cohort].Name
}

// lineUp places all workspaces and cohorts at the beginning of a class.
func (n *naive) lineUp(class Class) {
	n.clocks, n.starts, n.prices = map[string]VirtualTime{"": n.in.Clocks[class]}, map[string]VirtualTime{}, map[string]VirtualTime{}
	weights := map[string]int{}
	place := func(who, line string, tag VirtualTime, weight int) {
		price := Stride / VirtualTime(weight)
		n.prices[who] = price
		n.starts[who] = min(max(tag, n.clocks[line]-price), n.clocks[line]+price)
		weights[line] += weight
	}
	for _, c := range n.in.Cohorts {
		n.clocks[c.Name] = c.Clocks[class]
	}
	in := map[int]bool{}
	for _, w := range n.in.Workspaces {
		if !n.can(w, class) {
			continue
		}
		place(w.ID.String(), n.lineOf(w), w.Tags[class], w.Weight)
		if w.Cohort != NoCohort && !n.cohortFull(w) && !in[w.Cohort] {
			in[w.Cohort] = true
			c := n.in.Cohorts[w.Cohort]
			place(c.Name, "", c.Tags[class], c.Weight)
		}
	}
	for line, weight := range weights {
		n.prices["clock of "+line] = Stride / VirtualTime(weight)
	}
}

// choose returns which goes next in a line: of those that are due to begin, the first due to end.
func (n *naive) choose(line string, who []string, since map[string]time.Time) string {
	earliest := n.starts[who[0]]
	for _, name := range who {
		earliest = min(earliest, n.starts[name])
	}
	n.clocks[line] = max(n.clocks[line], earliest)
	who = slices.DeleteFunc(slices.Clone(who), func(name string) bool { return n.starts[name] > n.clocks[line] })
	slices.SortFunc(who, func(a, b string) int {
		return cmp.Or(cmp.Compare(n.starts[a]+n.prices[a], n.starts[b]+n.prices[b]), since[a].Compare(since[b]),
			cmp.Compare(len(b), len(a)), strings.Compare(a, b)) // ids are longer than the names of cohorts
	})
	n.clocks[line] += n.prices["clock of "+line]
	n.starts[who[0]] += n.prices[who[0]]
	return who[0]
}

func (n *naive) give(class Class) bool {
	if n.in.Global.Limit != Unlimited && n.in.Global.Used >= n.in.Global.Limit {
		return false
	}
	lines, since, place := map[string][]string{}, map[string]time.Time{}, map[string]int{}
	for i, w := range n.in.Workspaces {
		if !n.can(w, class) || n.cohortFull(w) {
			continue
		}
		id, line := w.ID.String(), n.lineOf(w)
		lines[line] = append(lines[line], id)
		since[id], place[id] = w.Since, i
		if line != "" {
			if !slices.Contains(lines[""], line) {
				lines[""] = append(lines[""], line)
			}
		}
	}
	if len(lines) == 0 {
		return false
	}
	for _, c := range n.in.Cohorts { // since its first member came: at the beginning of the class
		since[c.Name] = n.since(c, class)
	}
	who := n.choose("", lines[""], since)
	if len(lines[who]) > 0 {
		for i := range n.in.Cohorts {
			if n.in.Cohorts[i].Name == who {
				n.in.Cohorts[i].Used++
			}
		}
		who = n.choose(who, lines[who], since)
	}
	w := &n.in.Workspaces[place[who]]
	w.Used++
	n.in.Global.Used++
	n.got[number(w.ID)]++
	return true
}

// since is the earliest time of the cohort's members that stood in the line when the class began.
func (n *naive) since(c Cohort, _ Class) (since time.Time) {
	for _, w := range n.in.Workspaces {
		if _, stood := n.starts[w.ID.String()]; stood && n.lineOf(w) == c.Name && (since.IsZero() || w.Since.Before(since)) {
			since = w.Since
		}
	}
	return since
}

// source draws numbers: rapid's in property tests, a generator's in the long comparison.
type source func(name string, low, high int) int

func fromRapid(t *rapid.T) source {
	return func(name string, low, high int) int { return rapid.IntRange(low, high).Draw(t, name) }
}

// situation draws an input as it may be met: cut limits, foreign tags and clocks that were never set included.
func situation(n source) Input {
	limit := func(name string, high int) int {
		if l := n(name, -1, high); l >= 0 {
			return l
		}
		return Unlimited
	}
	in := Input{
		Now: noon, Batch: n("batch", 0, 40), Global: Pool{limit("global", 30), n("global used", 0, 25)},
		Cohorts: make([]Cohort, n("cohorts", 0, 3)), Workspaces: make([]Workspace, n("workspaces", 0, 10)),
	}
	time4 := func(name string) VirtualTime { return VirtualTime(n(name, 0, 16)) * Stride / 4 }
	tags := func(name string) Tags { return Tags{time4(name), time4(name)} }
	in.Clocks = Clocks(tags("clock"))
	for i := range in.Cohorts {
		in.Cohorts[i] = Cohort{
			Name: string(rune('a' + i)), Pool: Pool{limit("cohort limit", 12), n("cohort used", 0, 10)}, Weight: n("cohort weight", 1, 9),
			Tags: tags("cohort tag"), Clocks: Clocks(tags("cohort clock")),
		}
	}
	for i := range in.Workspaces {
		ceiling := n("ceiling", 0, 9)
		w := Workspace{
			ID: id(i*3 + 1), Cohort: n("cohort", -1, len(in.Cohorts)-1), Weight: n("weight", 1, 5),
			Quota: Quota{ceiling, n("nominal", 0, ceiling+1), limit("borrowing", 4)},
			Used:  n("used", 0, 8), Ready: n("ready", 0, 9), Tags: tags("tag"),
			Since: noon.Add(-time.Duration(n("since", 0, 3)) * time.Second),
		}
		if n("rate limited", 0, 3) == 0 {
			w.Rate = Rate{PerSecond: float64(n("rate", 1, 6)) / 2, Burst: n("burst", 1, 4)}
			if n("bucket used", 0, 1) == 1 {
				w.Bucket = Bucket{Tokens: float64(n("tokens", 0, 8)) / 4, At: noon.Add(-time.Duration(n("age", 0, 3000)) * time.Millisecond)}
			}
		}
		in.Workspaces[i] = w
	}
	return in
}

func TestDecideAgreesWithTheNaiveOne(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	granted, reasons := 0, map[Reason]int{}
	for range 50_000 {
		in := situation(func(_ string, low, high int) int { return low + rnd.IntN(high-low+1) })
		d := Decide(in)
		require.Equal(t, naiveDecide(in), slots(d), "%+v", in)
		granted += len(d.Grants)
		for reason, n := range d.Waiting {
			reasons[reason] += n
		}
	}
	require.Greater(t, granted, 30_000)
	for _, reason := range Reasons() {
		require.Greater(t, reasons[reason], 500, reason)
	}
}

func FuzzDecide(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		in := situation(fromRapid(t))
		require.Equal(t, naiveDecide(in), slots(Decide(in)))
	}))
}
