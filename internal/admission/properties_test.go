package admission

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// after is the input with everything that was granted claimed.
func after(in Input, d Decision) Input {
	in = copied(in)
	for _, g := range d.Grants {
		in.Workspaces[g.Workspace].Ready -= g.Slots
	}
	in.Charge(d, d.Grants)
	return in
}

func TestDecideKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := situation(fromRapid(t))
		as := copied(in)
		decider := new(Decider)
		d := decider.Decide(in)
		then := after(in, d)

		total, granted := 0, slots(d)
		for _, g := range d.Grants {
			total += g.Slots
			w := in.Workspaces[g.Workspace]
			require.Positive(t, g.Slots)
			require.False(t, w.Paused)
			require.Equal(t, w.ID, g.ID)
			require.Equal(t, w.Ceiling, g.Limit)
			require.LessOrEqual(t, g.Slots, w.Ready)
			require.LessOrEqual(t, w.Used+g.Slots, w.Ceiling)
			require.LessOrEqual(t, w.Used+g.Slots, w.most())
			require.LessOrEqual(t, g.Slots, w.starts(w.Bucket, in.Now))
			require.GreaterOrEqual(t, then.Workspaces[g.Workspace].starts(then.Workspaces[g.Workspace].Bucket, in.Now), 0)
		}
		require.LessOrEqual(t, total, in.Batch)
		require.True(t, total == 0 || then.Global.Used <= then.Global.Limit, "global limit")
		for i, c := range then.Cohorts {
			require.True(t, c.Used == in.Cohorts[i].Used || c.Used <= c.Limit, "cohort limit")
		}

		// What is left could not be granted.
		why, counted := in.Why(d), map[Reason]int{}
		for i, w := range then.Workspaces {
			stuck := total == in.Batch || w.Paused || w.Ready == 0 || w.Used >= w.most() || w.starts(w.Bucket, in.Now) == 0 ||
				then.Global.free() == 0 || w.Cohort != NoCohort && then.Cohorts[w.Cohort].free() == 0 && w.reserve(w.Used) == 0
			require.True(t, stuck, "workspace %d could have been granted another: %+v", i, w)
			kept := decider.Kept(&in, i).Reason()
			if granted[number(w.ID)] == 0 && !w.Idle {
				require.NotEmpty(t, why[i])
				require.Equal(t, why[i], kept)
				counted[why[i]]++
			} else {
				require.Empty(t, why[i])
				require.Equal(t, w.Ready > 0 && !w.Idle, kept != "", "some of its items are left")
			}
		}
		require.Equal(t, counted, d.Waiting, "each refusal has one reason")

		// None borrows what another needs for its nominal quota.
		for i, lender := range then.Workspaces {
			if lender.Paused || lender.own(lender.Used) == 0 || lender.Ready == 0 || lender.starts(lender.Bucket, in.Now) == 0 {
				continue
			}
			for _, g := range d.Grants {
				w := then.Workspaces[g.Workspace]
				borrowed := w.Used > min(w.Nominal, w.Ceiling)
				same := lender.Cohort != NoCohort && lender.Cohort == w.Cohort
				full := lender.Cohort != NoCohort && then.Cohorts[lender.Cohort].free() == 0 && lender.reserve(lender.Used) == 0
				require.False(t, borrowed && (same || !full), "workspace %d borrowed what %d needs", g.Workspace, i)
			}
		}

		shuffled := as
		shuffled.Workspaces, shuffled.Cohorts = slices.Clone(as.Workspaces), make([]Cohort, len(in.Cohorts))
		rnd := rand.New(rand.NewPCG(uint64(total), 1))
		rnd.Shuffle(len(shuffled.Workspaces), func(i, j int) {
			w := shuffled.Workspaces
			w[i], w[j] = w[j], w[i]
		})
		for to, from := range rnd.Perm(len(in.Cohorts)) {
			shuffled.Cohorts[to] = as.Cohorts[from]
		}
		require.Equal(t, granted, slots(Decide(renumbered(as, shuffled))), "order of the argument does not matter")
	})
}

// renumbered points the workspaces of the shuffled input at the cohorts' new places.
func renumbered(in, shuffled Input) Input {
	place := map[string]int{}
	for i, c := range shuffled.Cohorts {
		place[c.Name] = i
	}
	for i, w := range shuffled.Workspaces {
		if w.Cohort != NoCohort {
			shuffled.Workspaces[i].Cohort = place[in.Cohorts[w.Cohort].Name]
		}
	}
	return shuffled
}

// While a workspace could take a start and waits for it, another gets at most 2k+2, k being how much more it weighs.
// Others come and go meanwhile: one that comes back brings no more credit than that.
func TestNobodyIsPassedOverForLong(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Now: noon, Batch: 1, Global: Pool{Limit: Unlimited}, Workspaces: make([]Workspace, rapid.IntRange(2, 8).Draw(t, "workspaces"))}
		for i := range in.Workspaces {
			in.Workspaces[i] = plain(i+1, 1<<40, 0, rapid.SampledFrom([]int{0, 1 << 40}).Draw(t, "ready"))
			in.Workspaces[i].Weight = rapid.IntRange(1, 9).Draw(t, "weight")
		}
		passed := make([][]int, len(in.Workspaces)) // [i][j]: starts of j while i waits for one
		for i := range passed {
			passed[i] = make([]int, len(in.Workspaces))
		}
		for range rapid.IntRange(1, 200).Draw(t, "starts") {
			if turn := rapid.IntRange(0, 3*len(in.Workspaces)).Draw(t, "comes or goes"); turn < len(in.Workspaces) {
				in.Workspaces[turn].Ready = 1<<40 - in.Workspaces[turn].Ready
				clear(passed[turn])
			}
			d := Decide(in)
			in.Charge(d, d.Grants)
			for _, g := range d.Grants {
				clear(passed[g.Workspace])
				for i, w := range in.Workspaces {
					if i == g.Workspace || w.Ready == 0 {
						continue
					}
					passed[i][g.Workspace]++
					most := 2*Price(w.Weight)/Price(in.Workspaces[g.Workspace].Weight) + 2
					require.LessOrEqual(t, passed[i][g.Workspace], int(most), "%d of weight %d while %d of weight %d waited",
						g.Workspace, in.Workspaces[g.Workspace].Weight, i, w.Weight)
				}
			}
		}
	})
}

// Over a long run in which each workspace can take every start, each gets its weighted share: at no time does it lack more
// than one start of what the ideal schedule would have given it, within a cohort two.
func TestSharesFollowTheWeights(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		equal := rapid.Bool().Draw(t, "equal weights")
		cohorts := rapid.IntRange(0, 3).Draw(t, "cohorts")
		class := rapid.SampledFrom([]Class{Own, Borrowed}).Draw(t, "class")
		in := Input{Now: noon, Batch: rapid.IntRange(1, 50).Draw(t, "batch"), Global: Pool{Limit: Unlimited},
			Workspaces: make([]Workspace, rapid.IntRange(1, 20).Draw(t, "workspaces")), Cohorts: make([]Cohort, cohorts)}
		for i := range in.Cohorts {
			in.Cohorts[i] = Cohort{Name: fmt.Sprint(i), Pool: Pool{Limit: Unlimited}}
		}
		all := 0
		for i := range in.Workspaces {
			w := plain(i+1, 1<<40, 0, 1<<40)
			if class == Borrowed {
				w.Nominal = 0
			}
			if !equal {
				w.Weight = rapid.IntRange(1, 9).Draw(t, "weight")
			}
			if w.Cohort = rapid.IntRange(-1, cohorts-1).Draw(t, "cohort"); w.Cohort != NoCohort {
				in.Cohorts[w.Cohort].Weight += w.Weight
			}
			in.Workspaces[i] = w
			all += w.Weight
		}
		total := 0
		for range rapid.IntRange(1, 100).Draw(t, "cycles") {
			d := Decide(in)
			in.Charge(d, d.Grants)
			total += in.Batch
			for _, w := range in.Workspaces {
				lag := float64(total)*float64(w.Weight)/float64(all) - float64(w.Used)
				bound := 1.0
				if cohorts > 0 {
					bound = 2 // a line in a line
				}
				require.LessOrEqual(t, lag, bound+1e-3, "of %d starts weight %d of %d got %d", total, w.Weight, all, w.Used)
			}
		}
	})
}

// copied is an input that a decision on the other one does not change.
func copied(in Input) Input {
	in.Workspaces, in.Cohorts = slices.Clone(in.Workspaces), slices.Clone(in.Cohorts)
	return in
}

// What is known from the last decision changes nothing about the next, whatever becomes of the workspaces in between.
func TestDecidingAgainIsDecidingAnew(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("only calculates, for long")
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	draw := func(_ string, low, high int) int { return low + rnd.IntN(high-low+1) }
	again := 0
	for range 2000 {
		in, decider := situation(draw), new(Decider)
		require.Equal(t, Decide(copied(in)), decider.Decide(in))
		for range 10 {
			next := situation(draw) // another moment
			next.Cohorts = in.Cohorts
			next.Now = in.Now.Add(time.Duration(rnd.IntN(1000)) * time.Millisecond)
			var changed []int32
			for i := range min(len(in.Workspaces), len(next.Workspaces)) {
				if rnd.IntN(3) == 0 {
					changed = append(changed, int32(i))
				} else {
					next.Workspaces[i] = in.Workspaces[i]
				}
			}
			for i := range next.Workspaces {
				next.Workspaces[i].Cohort = min(next.Workspaces[i].Cohort, len(in.Cohorts)-1)
			}
			anew := copied(next)
			d := Decide(anew)
			require.Equal(t, d, decider.DecideAgain(next, changed), "%+v", next)
			require.Equal(t, anew, next)
			again += len(d.Grants)
			in = next
		}
	}
	require.Greater(t, again, 5000)
}
