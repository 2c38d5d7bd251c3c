package admission

import (
	"cmp"
	"maps"
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

	lines   map[string]string // of workspaces and cohorts, by their names
	weights map[string]int
	since   map[string]time.Time   // of cohorts: when the first of the members that stood there came
	until   map[string]VirtualTime // for how long the weight counts of those that do not stand in it
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
	return !w.Paused && given < w.Ready && given < tokens && w.Used < w.Ceiling && borrows == (class == Borrowed) && within
}

func (n *naive) cohortFull(w Workspace) bool {
	return w.Cohort != NoCohort && w.Used >= min(w.Reserved, w.Nominal) && n.in.Cohorts[w.Cohort].Limit != Unlimited && n.in.Cohorts[w.Cohort].Used >= n.in.Cohorts[w.Cohort].Limit
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
	n.weights, n.lines, n.until = map[string]int{}, map[string]string{}, map[string]VirtualTime{}
	place := func(who, line string, stands bool, was Place, tag VirtualTime, weight int) {
		now := n.clocks[line]
		n.lines[who], n.weights[who], n.prices[who] = line, weight, Stride/VirtualTime(weight)
		switch {
		case stands && was == Waiting:
			n.starts[who] = tag
		case stands && was == Ahead:
			n.starts[who] = max(tag, now)
		case stands && was == Owed:
			n.starts[who] = now - max(0, -tag)
		case stands:
			n.starts[who] = min(max(tag, now), now+n.prices[who])
		case was != Outside && was != Owed:
			n.until[who] = tag
		}
	}
	for _, c := range n.in.Cohorts {
		n.clocks[c.Name] = c.Clocks[class]
	}
	some := map[int]bool{}
	n.since = map[string]time.Time{}
	for _, w := range n.in.Workspaces {
		stands := !w.Idle && n.can(w, class)
		place(w.ID.String(), n.lineOf(w), stands, w.Places[class], w.Tags[class], w.Weight)
		if w.Cohort != NoCohort && stands && !n.cohortFull(w) {
			some[w.Cohort] = true
			name := n.lineOf(w)
			if s, known := n.since[name]; !known || w.Since.Before(s) {
				n.since[name] = w.Since
			}
		}
	}
	for i, c := range n.in.Cohorts {
		place(c.Name, "", some[i], c.Places[class], c.Tags[class], c.Weight)
	}
}

// weight is how much weighs in a line: who stands in it, and who is ahead of it.
func (n *naive) weight(line string) (sum int) {
	for who, of := range n.lines {
		_, stands := n.starts[who]
		if of == line && (stands || n.until[who] > n.clocks[line]) {
			sum += n.weights[who]
		}
	}
	return sum
}

// advance moves a clock on by a start, piece by piece: it runs faster when somebody's weight ceases to count.
func (n *naive) advance(line string) {
	for left := Stride; left > 0; {
		weight := max(1, n.weight(line))
		to := n.clocks[line] + left/VirtualTime(weight)
		for who, until := range n.until {
			if n.lines[who] == line && until > n.clocks[line] && until < to {
				to = until
			}
		}
		if to == n.clocks[line]+left/VirtualTime(weight) {
			n.clocks[line] = to
			return
		}
		left -= (to - n.clocks[line]) * VirtualTime(weight)
		n.clocks[line] = to
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
	return who[0]
}

// serve books a start, of who may be able to take another or not.
func (n *naive) serve(line, who string, another bool) {
	n.starts[who] += n.prices[who]
	if !another {
		n.until[who] = n.starts[who]
		delete(n.starts, who)
	}
	n.advance(line)
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
	maps.Copy(since, n.since)
	who, cohort := n.choose("", lines[""], since), ""
	var from *Cohort
	if len(lines[who]) > 0 {
		for i := range n.in.Cohorts {
			if n.in.Cohorts[i].Name == who {
				from = &n.in.Cohorts[i]
			}
		}
		cohort, who = who, n.choose(who, lines[who], since)
	}
	w := &n.in.Workspaces[place[who]]
	if from != nil && w.Used >= min(w.Reserved, w.Nominal) {
		from.Used++
	}
	w.Used++
	n.in.Global.Used++
	n.got[number(w.ID)]++
	n.serve(cohort, who, n.can(*w, class))
	if cohort != "" {
		some := slices.ContainsFunc(n.in.Workspaces, func(w Workspace) bool {
			return n.lineOf(w) == cohort && n.can(w, class) && !n.cohortFull(w)
		})
		n.serve("", cohort, some)
	}
	return true
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
	places := func(name string) Places { return Places{Place(n(name, 0, 3)), Place(n(name, 0, 3))} }
	in.Clocks = Clocks(tags("clock"))
	for i := range in.Cohorts {
		in.Cohorts[i] = Cohort{
			Name: string(rune('a' + i)), Pool: Pool{limit("cohort limit", 12), n("cohort used", 0, 10)}, Weight: n("cohort weight", 1, 9),
			Tags: tags("cohort tag"), Clocks: Clocks(tags("cohort clock")), Places: places("cohort place"),
		}
	}
	for i := range in.Workspaces {
		ceiling := n("ceiling", 0, 9)
		w := Workspace{
			ID: id(i*3 + 1), Cohort: n("cohort", -1, len(in.Cohorts)-1), Weight: n("weight", 1, 5),
			Quota:    Quota{ceiling, n("nominal", 0, ceiling+1), limit("borrowing", 4)},
			Reserved: n("reserved", 0, 3) * n("reserves", 0, 1),
			Paused:   n("paused", 0, 7) == 7, Used: n("used", 0, 8), Ready: n("ready", 0, 9), Tags: tags("tag"), Places: places("place"),
			Since: noon.Add(-time.Duration(n("since", 0, 3)) * time.Second),
		}
		if n("rate limited", 0, 3) == 0 {
			w.Rate = Rate{PerSecond: float64(n("rate", 1, 6)) / 2, Burst: n("burst", 1, 4)}
			if n("bucket used", 0, 1) == 1 {
				w.Bucket = Bucket{Tokens: float64(n("tokens", 0, 8)) / 4, At: noon.Add(-time.Duration(n("age", 0, 3000)) * time.Millisecond)}
			}
		}
		w.Idle = w.Ready == 0 && n("idle", 0, 1) == 1
		in.Workspaces[i] = w
	}
	return in
}

func TestDecideAgreesWithTheNaiveOne(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("only calculates, for long")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	granted, reasons := 0, map[Reason]int{}
	for range 50_000 {
		in := situation(func(_ string, low, high int) int { return low + rnd.IntN(high-low+1) })
		want := naiveDecide(in)
		d := Decide(in)
		require.Equal(t, want, slots(d), "%+v", in)
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
		want := naiveDecide(in)
		require.Equal(t, want, slots(Decide(in)))
	}))
}
