package simulate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sharing are workspaces that always have work, which takes so long on average.
func sharing(slots int, until time.Duration, fixed bool, weights []int, runs ...time.Duration) Config {
	c := Config{Global: slots, Until: until, SlotTime: true}
	var classes []Class
	for i, r := range runs {
		weight := 1
		if weights != nil {
			weight = weights[i]
		}
		enough := min(int(until/r+1)*slots*2, 200_000)
		classes = append(classes, Class{Workspace: upTo(slots, weight), Count: 1, Executions: enough, Runs: r, Fixed: fixed})
	}
	c.Workspaces, c.Executions = Generate(11, classes...)
	return c
}

func seconds(n ...int) (d []time.Duration) {
	for _, n := range n {
		d = append(d, time.Duration(n)*time.Second)
	}
	return d
}

func TestSlotTimeIsSharedByWeightHoweverLongExecutionsTake(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("only calculates, for long")
	}
	for name, c := range map[string]Config{
		"1 to 1":               sharing(10, time.Hour, true, nil, seconds(1, 1)...),
		"1 to 10":              sharing(10, time.Hour, true, nil, seconds(1, 10)...),
		"1 to 100":             sharing(10, 3*time.Hour, true, nil, seconds(1, 100)...),
		"1 to 100, random":     sharing(10, 3*time.Hour, false, nil, seconds(1, 100)...),
		"one slot":             sharing(1, 10*time.Hour, true, nil, seconds(1, 10)...),
		"weights 1 to 10":      sharing(10, 3*time.Hour, false, []int{1, 10}, seconds(1, 10)...),
		"weights 10 to 1":      sharing(10, 3*time.Hour, false, []int{10, 1}, seconds(1, 10)...),
		"weights, one slot":    sharing(1, 30*time.Hour, false, []int{1, 10}, seconds(3, 10)...),
		"mixed":                sharing(20, 3*time.Hour, false, []int{1, 1, 2, 3, 1}, seconds(1, 3, 10, 30, 100)...),
		"nine short, one long": sharing(100, time.Hour, false, nil, seconds(1, 1, 1, 1, 1, 1, 1, 1, 1, 100)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := simulate(t, c)
			t.Logf("%s: Jain of slot time %.4f, lag %.1f s, utilisation %.3f; Jain of starts %.3f", name, r.SlotTime.Jain, r.SlotTime.MaxLag, r.Utilisation, r.Fairness.Jain)
			require.GreaterOrEqual(t, r.SlotTime.Jain, 0.99)
			require.Greater(t, r.Utilisation, 0.95)
		})
	}
}

// One workspace has filled all slots with long executions and has more of them; then another comes with short ones.
func TestShortExecutionsBehindAFloodOfLongOnesGetTheirShareAsSlotsComeFree(t *testing.T) {
	t.Parallel()
	for _, from := range []time.Duration{time.Second, 150 * time.Second, 1234 * time.Second} {
		w, e := Generate(3, Class{Workspace: upTo(10, 1), Count: 1, Executions: 1000, Runs: 100 * time.Second},
			Class{Workspace: upTo(10, 1), Count: 1, Executions: 100, From: from, Runs: time.Second, Fixed: true})
		r := simulate(t, Config{Global: 10, SlotTime: true, Until: 2 * time.Hour, Workspaces: w, Executions: e})
		t.Log(from, r.Workspaces[1].Waits.Max)
		require.Equal(t, 100, r.Workspaces[1].Executions)
		require.LessOrEqual(t, r.Workspaces[1].Waits.Max, 100*time.Second)
	}
}

// One of weight 10 and ten of weight 1 find twenty free slots: it takes ten of them, in one decision or one after the other.
func TestFreeSlotsAreDealtByWeightAtEveryBatch(t *testing.T) {
	t.Parallel()
	weights := []int{10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	for _, batch := range []int{1, 3, 20} {
		for slots := 2; slots <= 20; slots++ {
			c := sharing(slots, time.Minute, true, weights, seconds(10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10)...)
			c.Batch = batch
			require.NoError(t, c.validate())
			r := newRun(c)
			for r.started < slots && r.advance() {
				r.decide()
			}
			require.Less(t, r.now, time.Second, "nothing has ended")
			require.InDelta(t, float64(slots)/2, r.state[0].Used, 1, "batch %d, %d slots", batch, slots)
		}
	}
}

// Weights hold in slot time too while others come with one execution each and go.
func TestWeightsHoldInSlotTimeWhoeverComesAndGoes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("only calculates, for long")
	}
	for _, runs := range [][3]int{{1, 1, 1}, {1, 10, 3}, {10, 1, 3}, {5, 5, 60}} {
		for _, slots := range []int{1, 10} {
			heavy := 10
			c := sharing(slots, 5*time.Hour, false, []int{1, heavy}, seconds(runs[0], runs[1])...)
			came := Class{Workspace: upTo(slots, 1), Count: 60, Runs: time.Duration(runs[2]) * time.Second, Over: 5 * time.Hour}
			came.Executions = slots * 5 * 3600 / 3 / runs[2] / 60 // a third of what there is
			w, e := Generate(9, came)
			for i := range e {
				e[i].Workspace += 2
			}
			c.Workspaces, c.Executions = append(c.Workspaces, w...), append(c.Executions, e...)
			r := simulate(t, c)
			ratio := r.Workspaces[1].Utilisation / r.Workspaces[0].Utilisation
			t.Logf("%v on %d slots: %.2f to 1, Jain %.4f", runs, slots, ratio, r.SlotTime.Jain)
			require.InEpsilon(t, heavy, ratio, 0.05)
		}
	}
}

// Who sleeps has no claim to slot time that others have used meanwhile: woken up, it gets its half.
func TestWakingUpBringsNoCreditInSlotTime(t *testing.T) {
	t.Parallel()
	c := sharing(10, 2*time.Hour, false, nil, seconds(3, 10)...)
	for i := range c.Executions {
		if c.Executions[i].Workspace == 1 {
			c.Executions[i].At = time.Hour
		}
	}
	r := simulate(t, c)
	require.InDelta(t, 0.75, r.Workspaces[0].Utilisation, 0.02)
	require.InDelta(t, 0.25, r.Workspaces[1].Utilisation, 0.02)
}

// A workspace whose share is half a slot runs one execution of three hours, and short ones from then on: nobody else does such.
func TestNobodyPaysForEverForOneLongExecution(t *testing.T) {
	t.Parallel()
	runs := make([]time.Duration, 20)
	for i := range runs {
		runs[i] = 10 * time.Second
	}
	c := sharing(10, 5*time.Hour, false, nil, runs...)
	for i := range c.Executions {
		if c.Executions[i].Workspace == 0 {
			c.Executions[i].Runs = 3 * time.Hour
			break
		}
	}
	require.NoError(t, c.validate())
	r := newRun(c)
	before, others := 0, 0
	for r.now < 4*time.Hour+10*time.Minute {
		require.True(t, r.advance())
		if r.now < 3*time.Hour+10*time.Minute {
			before, others = len(r.waits[0]), len(r.waits[1])
		}
		r.decide()
	}
	// By its share alone it would get nothing for three hours.
	t.Logf("%d in the hour after, another %d", len(r.waits[0])-before, len(r.waits[1])-others)
	require.Greater(t, len(r.waits[0])-before, (len(r.waits[1])-others)/4)
}

// Two hundred workspaces with weights from 1 to 8, and executions from a tenth of a second to 100 seconds; and forty of which
// each has one execution in fifty that takes fifty times as long as the others.
func TestSaturationIsSharedInSlotTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("only calculates, for long")
	}
	for _, c := range []struct {
		n, slots int
		until    time.Duration
		runs     []time.Duration
		long     int
	}{
		{200, 50, 15 * time.Minute, []time.Duration{100 * time.Millisecond, time.Second, 10 * time.Second, 100 * time.Second}, 1},
		{40, 20, 3 * time.Hour, seconds(1), 50},
	} {
		config := Config{Global: c.slots, Until: c.until, SlotTime: true}
		for n := range c.n {
			runs := c.runs[n%len(c.runs)]
			w, e := Generate(uint64(n), Class{Workspace: upTo(c.slots, 1+n%8), Count: 1, Executions: int(c.until / runs), Runs: runs})
			for i := range e {
				if e[i].Workspace = n; i%50 == 0 {
					e[i].Runs *= time.Duration(c.long)
				}
			}
			config.Workspaces, config.Executions = append(config.Workspaces, w...), append(config.Executions, e...)
		}
		r := simulate(t, config)
		t.Logf("slot time: Jain %.4f; starts: Jain %.4f; utilisation %.3f", r.SlotTime.Jain, r.Fairness.Jain, r.Utilisation)
		require.GreaterOrEqual(t, r.SlotTime.Jain, 0.99)
		require.Greater(t, r.Utilisation, 0.98)
	}
}

// Members of a cohort, and what is borrowed, share slot time as well.
func TestCohortsShareSlotTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("only calculates, for long")
	}
	for _, nominal := range []int{0, 2, 5} {
		c := sharing(30, 2*time.Hour, false, []int{1, 1, 1, 1}, seconds(1, 10, 3, 30)...)
		for i := range c.Workspaces {
			c.Workspaces[i].Nominal = nominal
			if i < 2 {
				c.Workspaces[i].Cohort, c.Workspaces[i].Nominal = "c", 5
			}
		}
		r := simulate(t, c)
		for _, pair := range [][2]int{{0, 1}, {2, 3}} {
			one, other := r.Workspaces[pair[0]].Utilisation, r.Workspaces[pair[1]].Utilisation
			t.Logf("nominal %d: %.3f and %.3f of the fleet", nominal, one, other)
			require.InEpsilon(t, one, other, 0.05)
		}
	}
}
