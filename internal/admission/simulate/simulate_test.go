package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sluice/internal/admission"
)

func upTo(ceiling, weight int) Workspace {
	return Workspace{Name: "w", Weight: weight, Quota: admission.Quota{Ceiling: ceiling, Nominal: ceiling, BorrowingLimit: admission.Unlimited}}
}

func simulate(t *testing.T, c Config) Report {
	t.Helper()
	r, err := Run(c)
	require.NoError(t, err)
	return r
}

func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	w, e := Generate(1, Class{Workspace: upTo(1, 1), Count: 1, Executions: 4, Runs: time.Second, Fixed: true})
	r := simulate(t, Config{Workspaces: w, Executions: e})
	require.Equal(t, Waits{P50: time.Second, P99: 3 * time.Second, Max: 3 * time.Second}, r.Waits)
	require.Equal(t, 4*time.Second, r.Lasted)
	require.InDelta(t, 1, r.Workspaces[0].Utilisation, 1e-9)
	require.Equal(t, 4, r.Workspaces[0].Executions)
	require.Positive(t, r.Waited[admission.AtCapacity]+1)
}

func TestARateSpreadsStarts(t *testing.T) {
	t.Parallel()
	w := upTo(100, 1)
	w.Rate = admission.Rate{PerSecond: 2, Burst: 3}
	ws, e := Generate(1, Class{Workspace: w, Count: 1, Executions: 9, Runs: time.Minute, Fixed: true})
	r := simulate(t, Config{Workspaces: ws, Executions: e})
	require.InDelta(t, 3, r.Waits.Max.Seconds(), 0.05, "three at once, six more at two a second")
}

// Urgent work comes twice as fast as the one slot can take it; one item of the lowest priority was there before.
func TestAgeingBoundsTheWaitOfALowPriority(t *testing.T) {
	t.Parallel()
	c := Config{Workspaces: []Workspace{upTo(1, 1)}, Executions: []Execution{{Priority: 5, Runs: time.Second}}}
	for n := range 2000 {
		c.Executions = append(c.Executions, Execution{At: time.Duration(n) * 500 * time.Millisecond, Priority: 1, Runs: time.Second})
	}
	lowWait := func(step time.Duration) time.Duration {
		c.AgeingStep = step
		require.NoError(t, c.validate())
		r := newRun(c)
		for came := false; ; came = len(r.waiting[0][4]) > 0 {
			require.True(t, r.advance())
			r.decide()
			if came && len(r.waiting[0][4]) == 0 {
				return r.now
			}
		}
	}
	require.Greater(t, lowWait(time.Hour), 1900*time.Second, "starved until the urgent work ends")
	// It goes before what comes 40 s after it. What came before that are 80 executions of a second.
	require.InDelta(t, 80, lowWait(10*time.Second).Seconds(), 3)
}

// play runs a simulation to its end.
func play(t require.TestingT, c Config) *run {
	r := newRun(c)
	for !r.over() {
		require.True(t, r.advance(), "stuck")
		r.decide()
	}
	return r
}

func TestWhatCannotBeSimulated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"of workspace 1":       {Workspaces: []Workspace{upTo(1, 1)}, Executions: []Execution{{Workspace: 1, Priority: 3}}},
		"priority 0":           {Workspaces: []Workspace{upTo(1, 1)}, Executions: []Execution{{}}},
		"negative time":        {Workspaces: []Workspace{upTo(1, 1)}, Executions: []Execution{{Priority: 1, Runs: -1}}},
		"has a weight below 1": {Workspaces: []Workspace{upTo(1, 0)}},
		"or a negative limit":  {Workspaces: []Workspace{upTo(-1, 1)}},
	} {
		_, err := Run(c)
		require.ErrorContains(t, err, name)
	}
	r := simulate(t, Config{})
	require.Zero(t, r.Waits)
}

// Nothing is started before it is there, nothing is lost, and at no time is a limit exceeded, whatever the limits.
func TestASimulationKeepsTheLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Batch: rapid.IntRange(1, 20).Draw(t, "batch"), Global: rapid.IntRange(0, 12).Draw(t, "global"),
			AgeingStep: time.Duration(rapid.IntRange(0, 2).Draw(t, "step")) * time.Second,
		}
		var classes []Class
		for range rapid.IntRange(1, 4).Draw(t, "classes") {
			ceiling := rapid.IntRange(1, 5).Draw(t, "ceiling")
			w := upTo(ceiling, rapid.IntRange(1, 4).Draw(t, "weight"))
			w.Cohort = rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "cohort")
			w.Nominal = rapid.IntRange(1, ceiling).Draw(t, "nominal")
			if rapid.Bool().Draw(t, "rated") {
				w.Rate = admission.Rate{PerSecond: 5, Burst: rapid.IntRange(1, 3).Draw(t, "burst")}
			}
			classes = append(classes, Class{Workspace: w, Count: rapid.IntRange(1, 3).Draw(t, "count"), Executions: rapid.IntRange(0, 20).Draw(t, "executions"),
				Over: time.Duration(rapid.IntRange(0, 5).Draw(t, "over")) * time.Second, Runs: time.Second, Priorities: []int{1, 2, 3, 4, 5}})
		}
		c.Workspaces, c.Executions = Generate(uint64(rapid.IntRange(0, 99).Draw(t, "seed")), classes...)
		if err := c.validate(); err != nil {
			t.Fatal(err)
		}
		r := newRun(c)
		for !r.over() {
			if !r.advance() {
				t.Fatal("stuck")
			}
			r.decide()
			for i, w := range r.state {
				if w.Used > w.Ceiling || w.Used < 0 || w.Ready < 0 {
					t.Fatalf("workspace %d holds %d of %d", i, w.Used, w.Ceiling)
				}
			}
			if c.Global > 0 && len(r.running) > c.Global {
				t.Fatalf("%d run, %d may", len(r.running), c.Global)
			}
			if r.input.Global.Used != len(r.running) {
				t.Fatalf("%d run, %d are counted", len(r.running), r.input.Global.Used)
			}
		}
		report := r.report()
		total := 0
		for i, o := range report.Workspaces {
			total += o.Executions
			for _, w := range r.waits[i] {
				if w < 0 {
					t.Fatal("started before it was there")
				}
			}
		}
		if total != len(c.Executions) {
			t.Fatalf("%d of %d started", total, len(c.Executions))
		}
	})
}

func TestPour(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "vessels")
		rooms, weights := make([]float64, n), make([]int, n)
		all := 0.0
		for i := range rooms {
			rooms[i], weights[i] = float64(rapid.IntRange(0, 9).Draw(t, "room")), rapid.IntRange(1, 4).Draw(t, "weight")
			all += rooms[i]
		}
		amount := float64(rapid.IntRange(0, 40).Draw(t, "amount"))
		got := pour(nil, amount, rooms, weights)
		sum, level := 0.0, 0.0
		for i := range got {
			require.LessOrEqual(t, got[i], rooms[i]+1e-9)
			sum += got[i]
			level = max(level, got[i]/float64(weights[i]))
		}
		require.InDelta(t, min(amount, all), sum, 1e-6)
		for i := range got {
			require.True(t, got[i] > rooms[i]-1e-6 || math.Abs(got[i]/float64(weights[i])-level) < 1e-6, "who has room has the highest level")
		}
	})
}

func TestJain(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 1, Jain([]float64{3, 3, 3}), 1e-12)
	require.InDelta(t, 0.25, Jain([]float64{1, 0, 0, 0}), 1e-12)
	require.InDelta(t, 1, Jain(nil), 1e-12)
}

// Workspaces with weights from 1 to 8 and endless work share a global limit that is far too small for them.
func TestSaturationIsSharedByWeight(t *testing.T) {
	t.Parallel()
	for _, equal := range []bool{true, false} {
		t.Run(fmt.Sprint("equal weights ", equal), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(7, 7))
			c := Config{Global: 50, Batch: 50, Until: 300 * time.Second}
			for n := range 200 {
				weight := 1
				if !equal {
					weight = 1 + rnd.IntN(8)
				}
				c.Workspaces = append(c.Workspaces, upTo(50, weight))
				for range 100 * weight { // all have work to the end
					c.Executions = append(c.Executions, Execution{Workspace: n, Priority: 3, Runs: time.Duration(rnd.ExpFloat64() * float64(time.Second))})
				}
			}
			r := simulate(t, c)
			require.Greater(t, r.Utilisation, 0.98)
			require.Greater(t, r.Fairness.Judged, 1000)
			require.GreaterOrEqual(t, r.Fairness.Jain, 0.99)
			for n, o := range r.Workspaces {
				require.LessOrEqual(t, o.MaxLag, 1.0, "weight %d", c.Workspaces[n].Weight)
			}
			t.Logf("Jain %.5f, lag %.3f, utilisation %.3f", r.Fairness.Jain, r.Fairness.MaxLag, r.Utilisation)
		})
	}
}

// Ten to one, one slot, and a newcomer with one item wants every third start: for an hour.
func TestLagDoesNotGrowWhoeverComesAndGoes(t *testing.T) {
	t.Parallel()
	const hour = 36_000
	c := Config{Global: 1, Batch: 1, Until: time.Hour, Workspaces: []Workspace{upTo(1, 1), upTo(1, 10)}}
	runs := 100 * time.Millisecond
	for n := range hour {
		c.Executions = append(c.Executions, Execution{Workspace: 1, Priority: 3, Runs: runs})
		if n%8 == 0 {
			c.Executions = append(c.Executions, Execution{Workspace: 0, Priority: 3, Runs: runs})
		}
	}
	for n := range 60 {
		c.Workspaces = append(c.Workspaces, upTo(1, 1))
		for at := time.Duration(n) * 3 * runs; at < time.Hour; at += 180 * runs {
			c.Executions = append(c.Executions, Execution{Workspace: 2 + n, At: at, Priority: 3, Runs: runs})
		}
	}
	r := simulate(t, c)
	require.LessOrEqual(t, r.Fairness.MaxLag, 1.0)
	require.InEpsilon(t, 10, float64(r.Workspaces[1].Executions)/float64(r.Workspaces[0].Executions), 0.05)
}

// The flood: one workspace with 20,000 pending, and 100 with 5 each that come later, for 50 slots.
func TestAFloodDelaysNobodyMuch(t *testing.T) {
	t.Parallel()
	for _, ceiling := range []int{5, 50} {
		t.Run(fmt.Sprint("ceiling ", ceiling), func(t *testing.T) {
			t.Parallel()
			flood := Class{Workspace: upTo(50, 1), Count: 1, Executions: 20_000, Runs: 100 * time.Millisecond}
			small := Class{Workspace: upTo(ceiling, 1), Count: 100, Executions: 5, From: 10 * time.Second, Runs: 100 * time.Millisecond}
			p99 := func(classes ...Class) time.Duration {
				c := Config{Global: 50}
				c.Workspaces, c.Executions = Generate(3, classes...)
				require.NoError(t, c.validate())
				r := play(t, c)
				var all []time.Duration
				lag := 0.0
				for i, o := range r.report().Workspaces {
					if o.Executions == 5 {
						all = append(all, r.waits[i]...)
						lag = max(lag, o.MaxLag)
					}
				}
				require.Len(t, all, 500)
				t.Log("lag of a small one ", lag, " of any ", r.report().Fairness.MaxLag)
				require.LessOrEqual(t, lag, 1.0)
				return waits(all).P99
			}
			alone, flooded := p99(small), p99(flood, small)
			t.Logf("p99 wait %s alone, %s beside the flood", alone, flooded)
			require.LessOrEqual(t, flooded, 2*alone)
		})
	}
}

// A hundred thousand workspaces and a million executions, at 95 % of the global limit.
func TestALargeFleet(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("only calculates, for long")
	}
	w, e := Generate(5, Class{Workspace: upTo(3, 1), Count: 100_000, Executions: 10, Over: 1000 * time.Second, Runs: 5 * time.Second})
	r := simulate(t, Config{Global: 5250, Batch: 1000, Cycle: 250 * time.Millisecond, Workspaces: w, Executions: e})
	require.Greater(t, r.Utilisation, 0.8)
	require.LessOrEqual(t, r.Fairness.MaxLag, 1.0)
	t.Logf("lasted %s, waits %+v, utilisation %.3f, contended %d, Jain %.4f, lag %.3f", r.Lasted, r.Waits, r.Utilisation, r.Fairness.Judged, r.Fairness.Jain, r.Fairness.MaxLag)
}
