package estimate

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
)

// Soon after a beginning, only the short ones of ten slots' executions have ended.
func TestWhatStillRunsCountsForHowLongExecutionsTake(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, since := range []time.Duration{40 * time.Second, 3 * time.Minute, 19 * time.Minute} {
		drawn, mean, naive := 0.0, 0.0, 0.0
		const times = 200
		for range times {
			var all []Execution
			sum, n := 0.0, 0.0
			for range 20 {
				for at := since; at > 0; {
					d := time.Duration(rnd.ExpFloat64() * 25 * float64(time.Second))
					e := Execution{Began: at, Ran: min(d, at), Ended: d < at}
					if at -= d; e.Ended && at > 15*time.Minute {
						continue
					}
					if all = append(all, e); e.Ended {
						sum, n = sum+d.Seconds(), n+1
					}
				}
			}
			d := Observed(15*time.Minute, all)
			mean += d.mean / times
			naive += sum / n / times
			for range 200 {
				drawn += d.draw(rnd, 1, 0).Seconds() / (200 * times)
			}
		}
		t.Logf("after %s: mean %.1f, drawn %.1f; of those that have ended %.1f", since, mean, drawn, naive)
		require.InEpsilon(t, 25, drawn, 0.1)
		require.InEpsilon(t, 25, mean, 0.1)
	}
}

func TestASlotThatIsFreeBetweenTwoCountsAsTurnaround(t *testing.T) {
	t.Parallel()
	second := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	var all []Taken
	for n := range 10 { // one after the other, of ten seconds, each half a second after the last; all have waited
		at := second(200 - 10.5*float64(n))
		all = append(all, Taken{Workspace: 1, Available: second(300), Claimed: at, Freed: at - second(10)})
	}
	require.Equal(t, second(0.5), Turnaround(false, all))
	require.Equal(t, second(0.5), Turnaround(true, all))
	for i := range all {
		all[i].Available = all[i].Claimed + second(0.1) // none has waited for a slot
	}
	require.Zero(t, Turnaround(false, all))
}

// many is n workspaces with work for hours, under a limit of all together.
func many(n int) Snapshot {
	s := Snapshot{AgeingStep: 5 * time.Minute, PerSecond: 200}
	s.Input = admission.Input{Now: time.Unix(1_800_000_000, 0), Global: admission.Pool{Limit: 2 * n, Used: 2 * n}, CountsSlotTime: true}
	var runs []Execution
	for k := range 50 {
		runs = append(runs, Execution{Began: 5 * time.Minute, Ran: time.Duration(k) * time.Second / 2, Ended: true})
	}
	for i := range n {
		w := Workspace{Durations: Observed(15*time.Minute, runs), Held: []Slot{{Age: time.Second}, {Age: 3 * time.Second}}}
		for _, place := range LinePlaces(1000) {
			w.Line = append(w.Line, Place{Number: place, Due: time.Duration(place-1000) * time.Second})
		}
		s.Workspaces = append(s.Workspaces, w)
		s.Input.Workspaces = append(s.Input.Workspaces, admission.Workspace{ID: uuid.UUID{byte(i >> 8), byte(i)}, Cohort: admission.NoCohort, Weight: 1, Ready: 1000, Used: 2,
			Quota: admission.Quota{Ceiling: 5, Nominal: 5, BorrowingLimit: admission.Unlimited}})
	}
	return s
}

func TestTheSameSnapshotGivesTheSameCurves(t *testing.T) {
	t.Parallel()
	a, b := curves(many(20), 50_000), curves(many(20), 50_000)
	require.Equal(t, a, b)
	for _, c := range a {
		require.Equal(t, TooFar, c.Why, "a thousand items of each are more than may be played")
		require.NotEmpty(t, c.Points)
		for n, p := range c.Points {
			require.LessOrEqual(t, p.After, p.Before)
			if n > 0 {
				require.Less(t, c.Points[n-1].Due, p.Due)
				require.LessOrEqual(t, c.Points[n-1].After, p.After)
				require.LessOrEqual(t, c.Points[n-1].Before, p.Before)
			}
		}
	}
}

// Workspaces that all borrow are in the same position as workspaces that all hold what is their own.
func TestWhatIsBorrowedIsEstimatedAsWhatIsOwn(t *testing.T) {
	t.Parallel()
	second := admission.SlotTime(time.Second)
	estimated := func(class admission.Class, nominal int) []Curve {
		s := many(3)
		for i := range s.Input.Workspaces {
			s.Input.Workspaces[i].Nominal = nominal
			s.Input.Workspaces[i].Tags[class] = second * admission.VirtualTime(10*i)
		}
		return curves(s, 50_000)
	}
	borrowed := estimated(admission.Borrowed, 0)
	for i, own := range estimated(admission.Own, 5) {
		require.Equal(t, own.Points[:5], borrowed[i].Points[:5])
	}
}

// A workspace alone with one slot and executions of ten seconds each.
func TestAnIntervalHoldsWhatIsCertain(t *testing.T) {
	t.Parallel()
	s := many(1)
	s.Input.Global.Limit, s.Input.Workspaces[0].Used = admission.Unlimited, 1
	s.Input.Workspaces[0].Quota = admission.Quota{Ceiling: 1, Nominal: 1, BorrowingLimit: admission.Unlimited}
	var runs []Execution
	for range 400 {
		runs = append(runs, Execution{Began: 5 * time.Minute, Ran: 10 * time.Second, Ended: true})
	}
	s.Workspaces[0].Durations, s.Workspaces[0].Held = Observed(15*time.Minute, runs), []Slot{{Age: 4 * time.Second}}
	c := Curves(s)[0]
	for place := 1; place <= 100; place++ {
		after, before, why := c.At(time.Duration(place-1000) * time.Second)
		require.Empty(t, why)
		at := 6*time.Second + time.Duration(place-1)*10*time.Second
		require.InEpsilon(t, at.Seconds(), after.Seconds(), 0.1, "place %d", place)
		require.InEpsilon(t, at.Seconds(), before.Seconds(), 0.1, "place %d", place)
	}
}

// The workspace of TestAnIntervalHoldsWhatIsCertain, whose items all have priority 3; one of priority 1 has come as well, and the next may come within the minute.
func TestWhatMayArriveFirstHoldsUpNothingBeforeItArrives(t *testing.T) {
	t.Parallel()
	s := many(1)
	s.Input.Global.Limit, s.Input.Workspaces[0].Used = admission.Unlimited, 1
	s.Input.Workspaces[0].Quota = admission.Quota{Ceiling: 1, Nominal: 1, BorrowingLimit: admission.Unlimited}
	var runs []Execution
	for range 400 {
		runs = append(runs, Execution{Began: 5 * time.Minute, Ran: 10 * time.Second, Ended: true})
	}
	w := &s.Workspaces[0]
	w.Durations, w.Held, w.Line = Observed(15*time.Minute, runs), []Slot{{Age: 4 * time.Second}}, nil
	due := func(place int) time.Duration { return 2*s.AgeingStep + time.Duration(place-11)*time.Second }
	for place := 1; place <= 10; place++ {
		w.Line = append(w.Line, Place{Number: place, Due: due(place), ID: uuid.UUID{byte(place)}})
	}
	s.Input.Workspaces[0].Ready = len(w.Line)
	w.Arrivals.Add(1, 1, 10*time.Minute, 10*time.Minute)
	w.Arrivals.Add(3, 10, 11*time.Second, time.Second)
	c := Curves(s)[0]
	_, before, why := c.At(due(1))
	require.Empty(t, why)
	require.Less(t, before, 30*time.Second, "the first of the line starts when the slot is free, or after one that goes before it")
	after, _, why := c.At(time.Minute)
	require.Empty(t, why)
	require.GreaterOrEqual(t, after, time.Minute, "nothing starts before it arrives")
}
