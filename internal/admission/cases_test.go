package admission

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// endless is a workspace of a weight that could take every start there is.
func endless(n, weight int) Workspace {
	return plain(n, 1<<40, 0, 1<<40).with(func(w *Workspace) { w.Weight = weight })
}

// give deals so many starts and claims them, and returns how many each workspace got.
func give(in *Input, batch int) map[int]int {
	in.Batch = batch
	d := Decide(*in)
	in.Charge(d, d.Grants)
	for _, g := range d.Grants {
		in.Workspaces[g.Workspace].Ready -= g.Slots
	}
	return slots(d)
}

// Two that always have work keep to their weights while others come with one item each and go: one of 60 in turn wants a
// start whenever so many starts have been dealt.
func TestWeightsHoldWhoeverComesAndGoes(t *testing.T) {
	t.Parallel()
	for _, heavy := range []int{1, 3, 10, 100} {
		for _, every := range []int{2, 3, 7} {
			for _, batch := range []int{1, 3, 10} {
				t.Run(fmt.Sprintf("%d to 1, a newcomer every %d starts, batch %d", heavy, every, batch), func(t *testing.T) {
					t.Parallel()
					in := Input{Now: noon, Global: Pool{Limit: Unlimited}, Workspaces: []Workspace{endless(1, 1), endless(2, heavy)}}
					for n := range 60 {
						in.Workspaces = append(in.Workspaces, plain(10+n, 1<<40, 0, 0))
					}
					got, newcomer, dealt := map[int]int{}, 0, 0
					for dealt < 60_000 {
						for range batch {
							if dealt++; dealt%every == 0 {
								in.Workspaces[2+newcomer].Ready++
								newcomer = (newcomer + 1) % 60
							}
						}
						for n, slots := range give(&in, batch) {
							got[n] += slots
						}
					}
					require.InEpsilon(t, heavy, float64(got[2])/float64(got[1]), 0.05)
					for n := range 60 {
						if heavy == 100 {
							break // all 60 together have less than what they want
						}
						require.LessOrEqual(t, in.Workspaces[2+n].Ready, 1+batch, "newcomers are served as they come")
					}
				})
			}
		}
	}
}

// Whatever its tag says, because it was counted by another clock: a workspace that joins waits for one turn of the others
// at most, and its coming costs them one at most.
func TestJoiningFromAnyClockCostsAndWaitsOneTurnAtMost(t *testing.T) {
	t.Parallel()
	for _, tag := range []VirtualTime{-1 << 60, -1000 * Stride, 0, Stride / 2, Stride, 1000 * Stride, 1 << 60} {
		for _, batch := range []int{1, 2, 3, 7, 50} {
			for _, others := range []int{1, 2, 10} {
				for _, class := range []Class{Own, Borrowed} {
					for _, inCohort := range []bool{false, true} {
						t.Run(fmt.Sprintf("tag %d, batch %d, others %d, class %d, in a cohort %t", tag/Stride, batch, others, class, inCohort), func(t *testing.T) {
							t.Parallel()
							in := Input{Now: noon, Global: Pool{Limit: Unlimited}, Cohorts: []Cohort{{Name: "c", Pool: Pool{Limit: Unlimited}}}}
							add := func(w Workspace) {
								if class == Borrowed {
									w.Nominal = 0
								}
								if inCohort {
									w.Cohort = 0
									in.Cohorts[0].Weight += w.Weight
								}
								in.Workspaces = append(in.Workspaces, w)
							}
							for n := range others {
								add(endless(1+n, 1))
							}
							for range 10 {
								give(&in, batch)
							}
							add(endless(99, 1).with(func(w *Workspace) { w.Tags[class] = tag }))
							starts, before, turn := 0, 0, others+1
							for starts = 0; starts < 20*turn; starts += batch {
								got := give(&in, batch)
								mine := got[99]
								before += mine
								due := float64(starts+batch) / float64(turn)
								require.LessOrEqual(t, due-float64(before), 2.01, "after %d starts it has %d", starts+batch, before)
								require.LessOrEqual(t, float64(before)-due, 1.01, "after %d starts it has %d", starts+batch, before)
							}
						})
					}
				}
			}
		}
	}
}

// The same for a whole cohort that moves to another shard, where the clock of the shard is another.
func TestCohortFromAnotherShardWaitsOneTurnAtMost(t *testing.T) {
	t.Parallel()
	for _, tag := range []VirtualTime{-1000 * Stride, 0, 1000 * Stride} {
		for _, batch := range []int{1, 2, 7} {
			in := Input{Now: noon, Global: Pool{Limit: Unlimited}, Workspaces: []Workspace{endless(1, 1), endless(2, 1)},
				Cohorts: []Cohort{{Name: "c", Pool: Pool{Limit: Unlimited}, Weight: 1, Tags: Tags{tag, tag}, Clocks: Clocks{tag / 2, tag * 3}}}}
			for range 10 {
				give(&in, batch)
			}
			in.Workspaces = append(in.Workspaces, endless(3, 1).with(func(w *Workspace) { w.Cohort, w.Tags[Own] = 0, -tag }))
			got := 0
			for starts := batch; starts <= 60; starts += batch {
				got += give(&in, batch)[3]
				require.InDelta(t, float64(starts)/3, got, 2.01, "tag %d, batch %d, of %d starts", tag/Stride, batch, starts)
			}
		}
	}
}

// A cohort whose members have slept has no claim to what was started meanwhile.
func TestCohortThatWakesUpBringsNoCredit(t *testing.T) {
	t.Parallel()
	in := Input{Now: noon, Global: Pool{Limit: Unlimited}, Cohorts: []Cohort{{Name: "c", Pool: Pool{Limit: Unlimited}, Weight: 1}}, Workspaces: []Workspace{
		endless(1, 1), endless(2, 1), plain(3, 1<<40, 0, 1).with(func(w *Workspace) { w.Cohort = 0 }),
	}}
	for range 200 {
		give(&in, 1)
	}
	in.Workspaces[2].Ready = 100
	got := 0
	for range 9 {
		got += give(&in, 1)[3]
	}
	require.Equal(t, 3, got)
}

// In a cohort that is full nobody is served, so its clock does not skip to where the next one would be due.
func TestClockOfAFullCohortStandsStill(t *testing.T) {
	t.Parallel()
	in := Input{Now: noon, Batch: 10, Global: Pool{Limit: Unlimited}, CountsSlotTime: true, Cohorts: []Cohort{{Name: "c", Pool: Pool{Limit: 2}, Weight: 47}}}
	for n, weight := range []int{45, 2} {
		in.Workspaces = append(in.Workspaces, endless(1+n, weight).with(func(w *Workspace) { w.Cohort, w.Cost = 0, 10*Stride }))
	}
	d := Decide(in)
	require.Len(t, d.Grants, 2)
	in.Follow(d)
	require.Equal(t, Clocks{}, in.Cohorts[0].Clocks)
}

// At weights of 21 to 1 the heavy one gets its one slot again and again: each time it leaves the line, and is owed nothing that the
// clock ran without it.
func TestWhoIsAtItsCeilingGathersNoCredit(t *testing.T) {
	t.Parallel()
	in := Input{Now: noon, Batch: 1, Global: Pool{Limit: Unlimited}, Workspaces: []Workspace{
		plain(1, 1, 0, 1<<40).with(func(w *Workspace) { w.Weight = 21 }), endless(2, 1),
	}}
	for range 100 {
		d := Decide(in)
		in.Follow(d)
		in.Charge(d, d.Grants)
		in.Workspaces[0].Used = 0
		require.LessOrEqual(t, in.Clocks[Own]-in.Workspaces[0].Absolute(Own, in.Clocks[Own]), Stride)
	}
}

// A workspace that had no work has no claim to what was started meanwhile.
func TestWakingUpBringsNoCredit(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	in := Input{Now: noon, Global: Pool{Limit: Unlimited}, Workspaces: []Workspace{endless(1, 1), plain(2, 1<<40, 0, 0)}}
	slept, woken := 0, 0
	for range 20_000 { // it wakes up at any moment, for one start each time
		if in.Workspaces[1].Ready == 0 && rnd.IntN(3) == 0 {
			in.Workspaces[1].Ready++
		}
		got := give(&in, 1)
		slept, woken = slept+got[1], woken+got[2]
	}
	require.LessOrEqual(t, woken, slept, "it got more than its half")
}
