package admission

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fluid is the oracle for fairness: generalised processor sharing (Parekh and Gallager, 1993), played with fractions of
// starts. It knows neither tags nor clocks nor deadlines: whenever so much is dealt, all who have something left in it share
// that by their weights.
type fluid struct {
	weights []float64
	left    []float64 // of what has arrived
	served  []float64
}

func newFluid(weights ...int) *fluid {
	f := &fluid{}
	for _, w := range weights {
		f.weights, f.left, f.served = append(f.weights, float64(w)), append(f.left, 0), append(f.served, 0)
	}
	return f
}

func (f *fluid) deal(amount float64) {
	for amount > 1e-12 {
		sum, part := 0.0, 0.0
		for i, left := range f.left {
			if left > 0 {
				sum += f.weights[i]
			}
		}
		if sum == 0 {
			return
		}
		part = amount / sum // per weight, until the first has nothing left
		for i, left := range f.left {
			if left > 0 {
				part = min(part, left/f.weights[i])
			}
		}
		for i, left := range f.left {
			if left > 0 {
				f.served[i] += part * f.weights[i]
				if f.left[i] -= part * f.weights[i]; f.left[i] < 1e-9 {
					f.left[i] = 0
				}
			}
		}
		amount -= part * sum
	}
}

// Whichever workspaces come, with however many items, at any batch size: none is more than one start behind the fluid schedule, and what the
// policy has given a workspace ahead of it is bounded too.
func TestNobodyIsMoreThanOneStartBehindTheFluidSchedule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(t, "workspaces")
		heaviest := rapid.SampledFrom([]int{1, 9, 100, 1000}).Draw(t, "heaviest")
		batch := rapid.IntRange(1, 20).Draw(t, "batch")
		often := rapid.IntRange(1, 100).Draw(t, "arrivals in a hundred starts")
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		in := Input{Now: noon, Global: Pool{Limit: Unlimited}}
		weights := make([]int, n)
		for i := range n {
			weights[i] = 1 + rnd.IntN(heaviest)
			in.Workspaces = append(in.Workspaces, plain(i, 1<<40, 0, 0).with(func(w *Workspace) { w.Weight = weights[i] }))
		}
		of, started := newFluid(weights...), make([]float64, n)
		arrive := func(i, items int) {
			in.Workspaces[i].Ready += items
			of.left[i] += float64(items)
		}
		arrive(0, 1_000_000) // two that always have work: something is always owed to somebody
		arrive(1, 1_000_000)
		for range 400 {
			for range batch {
				if n > 2 && rnd.IntN(100) < often {
					arrive(2+rnd.IntN(n-2), 1+rnd.IntN(1+rnd.IntN(3)))
				}
			}
			for i, slots := range give(&in, batch) {
				started[i] += float64(slots)
			}
			of.deal(float64(batch))
			for i := range n {
				if lag := of.served[i] - started[i]; lag > 1+1e-3 {
					t.Fatalf("workspace %d of weight %d is %.4f starts behind after %.0f", i, weights[i], lag, of.served[i])
				}
			}
		}
	})
}

// An hour at ten starts a second: the lag does not grow.
func TestLagDoesNotGrowWithTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("only calculates, for long")
	}
	for _, heavy := range []int{10, 100} {
		in := Input{Now: noon, Global: Pool{Limit: Unlimited}, Workspaces: []Workspace{endless(1, 1), endless(2, heavy)}}
		weights := []int{1, heavy}
		for n := range 60 {
			in.Workspaces, weights = append(in.Workspaces, plain(3+n, 1<<40, 0, 0)), append(weights, 1)
		}
		of, started := newFluid(weights...), make([]float64, 62)
		of.left[0], of.left[1] = 1e12, 1e12
		worst := 0.0
		for n := range 36_000 {
			if n%3 == 0 {
				in.Workspaces[2+n/3%60].Ready++
				of.left[2+n/3%60]++
			}
			for i, slots := range give(&in, 1) {
				started[i-1] += float64(slots)
			}
			of.deal(1)
			worst = max(worst, of.served[1]-started[1])
		}
		require.LessOrEqual(t, worst, 1.0, fmt.Sprint("weight ", heavy))
	}
}

// 20,000 workspaces come with one or two items each and go, more than there are slots for, and some stay: a workspace that has had
// a start waits no longer than one that comes.
func TestNewcomersDoNotStarveWhoHasHadAStart(t *testing.T) {
	t.Parallel()
	const n, batch = 20_000, 500
	rnd := rand.New(rand.NewPCG(5, 5))
	in := Input{Now: noon, Global: Pool{Limit: Unlimited}}
	weights := make([]int, n)
	for i := range n {
		weights[i] = 1
		in.Workspaces = append(in.Workspaces, plain(i, 1<<40, 0, 3))
	}
	of, started := newFluid(weights...), make([]float64, n)
	for i := range n {
		of.left[i] = 3
	}
	var decider Decider
	for range 300 {
		for range batch + batch/5 {
			i := rnd.IntN(n)
			in.Workspaces[i].Ready++
			of.left[i]++
		}
		in.Batch = batch
		d := decider.Decide(in)
		in.Charge(d, d.Grants)
		for _, g := range d.Grants {
			in.Workspaces[g.Workspace].Ready -= g.Slots
			started[g.Workspace] += float64(g.Slots)
		}
		of.deal(batch)
	}
	sum, squares, worst := 0.0, 0.0, 0.0
	for i := range n {
		share := started[i] / of.served[i]
		sum, squares, worst = sum+share, squares+share*share, max(worst, of.served[i]-started[i])
	}
	t.Logf("Jain %.4f, lag %.3f", sum*sum/(n*squares), worst)
	require.LessOrEqual(t, worst, 1.001)
	require.GreaterOrEqual(t, sum*sum/(n*squares), 0.99)
}
