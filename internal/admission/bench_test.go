package admission

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fleets are what a decision is made over, in the order in which it costs more.
var fleets = map[string]func(*rand.Rand, *Input, *Workspace){
	"room": func(*rand.Rand, *Input, *Workspace) {},
	"full": func(rnd *rand.Rand, _ *Input, w *Workspace) { // 99 % at their cap
		if rnd.IntN(100) > 0 {
			w.Used = w.Ceiling
		}
	},
	"weighted": func(rnd *rand.Rand, in *Input, w *Workspace) { // at different places in the line
		w.Weight = 1 + rnd.IntN(8)
		w.Tags[Own] = in.Clocks[Own] + VirtualTime(rnd.Int64N(int64(2*Price(w.Weight)))) - Price(w.Weight)
	},
	"slot time": func(rnd *rand.Rand, in *Input, w *Workspace) { // half hold slots that are paid for
		in.CountsSlotTime, in.Longest = true, 100*Stride
		w.Weight, w.Cost = 1+rnd.IntN(8), Stride*VirtualTime(1+rnd.IntN(100))
		if rnd.IntN(2) == 0 {
			in.Start(w, Own, w.Cost)
		}
	},
	"cohorts": func(rnd *rand.Rand, in *Input, w *Workspace) { // half of them, 20 to each, and some borrow
		w.Nominal = w.Ceiling / 2
		if rnd.IntN(2) == 0 {
			w.Cohort = rnd.IntN(len(in.Cohorts))
			in.Cohorts[w.Cohort].Limit += w.Nominal
			in.Cohorts[w.Cohort].Used += w.Used
			in.Cohorts[w.Cohort].Weight += w.Weight
		}
	},
	"rates": func(rnd *rand.Rand, in *Input, w *Workspace) { // half of them, and many have no token left
		if rnd.IntN(2) == 0 {
			w.Rate = Rate{PerSecond: 1, Burst: 5}
			w.Bucket = Bucket{Tokens: rnd.Float64(), At: in.Now.Add(-time.Duration(rnd.IntN(1000)) * time.Millisecond)}
		}
	},
}

// fleet is n workspaces that wait, with slots in use and times as they come about.
func fleet(n int, shape func(*rand.Rand, *Input, *Workspace)) Input {
	rnd := rand.New(rand.NewPCG(1, 1))
	in := Input{Now: noon, Batch: 100, Global: Pool{Limit: Unlimited}, Clocks: Clocks{50 * Stride, 20 * Stride}}
	for i := range n / 40 {
		in.Cohorts = append(in.Cohorts, Cohort{Name: fmt.Sprint(i), Tags: Tags(in.Clocks)})
	}
	for i := range n {
		w := plain(i, 10, rnd.IntN(10), 1+rnd.IntN(400))
		w.Since = noon.Add(-time.Duration(rnd.IntN(1_000_000_000)) * time.Microsecond)
		w.Tags = Tags(in.Clocks)
		shape(rnd, &in, &w)
		in.Workspaces = append(in.Workspaces, w)
	}
	if in.Cohorts != nil && in.Cohorts[0].Weight == 0 {
		in.Cohorts = nil
	}
	return in
}

// What a cycle costs beside its statements, with a batch of 100.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		for name, shape := range fleets {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				in := fleet(n, shape)
				d := Decide(in)
				granted := 0
				for _, g := range d.Grants {
					granted += g.Slots
				}
				require.Equal(b, min(in.Batch, granted), granted)
				require.Positive(b, granted)
				var decider Decider
				decider.Decide(in)
				changed := make([]int32, 2*in.Batch) // as after a claim and its outcomes
				for i := range changed {
					changed[i] = int32(i * (n / len(changed)))
				}
				b.ReportAllocs()
				for b.Loop() {
					decider.DecideAgain(in, changed)
				}
			})
		}
	}
}

// What it costs to know why each workspace waits, beside a decision.
func BenchmarkKept(b *testing.B) {
	for name, shape := range fleets {
		b.Run(fmt.Sprint(name, "/10000"), func(b *testing.B) {
			in := fleet(10_000, shape)
			var d Decider
			d.Decide(in)
			var counts [causes + 1]int
			for b.Loop() {
				for i := range in.Workspaces {
					counts[d.Kept(&in, i)]++
				}
			}
			require.NotZero(b, counts)
		})
	}
}
