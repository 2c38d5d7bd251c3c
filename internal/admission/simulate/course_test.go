package simulate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sluice/internal/admission"
)

// In traces of whole seconds what waits and what runs is counted second by second.
func TestACourseIsWhatACountAtEachMomentGives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const step, n = 5, 12
		from := rapid.IntRange(-3, 10).Draw(t, "from")
		executions := make([]Execution, rapid.IntRange(0, 20).Draw(t, "executions"))
		var r Report
		seconds := func(s int) time.Duration { return time.Duration(s) * time.Second }
		var waiting, running [n]float64
		for i := range executions {
			own, at, runs := rapid.IntRange(0, 1).Draw(t, "workspace"), rapid.IntRange(0, 80).Draw(t, "at"), rapid.IntRange(0, 90).Draw(t, "runs")
			start := at + rapid.IntRange(0, 40).Draw(t, "wait")
			executions[i] = Execution{Workspace: own, At: seconds(at), Runs: seconds(runs)}
			r.Started = append(r.Started, seconds(start))
			if rapid.IntRange(0, 4).Draw(t, "never") == 0 {
				r.Started[i], start, runs = -1, 1000, 0
			}
			for s := range step * n {
				switch moment := from + s; {
				case own != 1:
				case at <= moment && moment < start:
					waiting[s/step] += 1.0 / step
				case start <= moment && moment < start+runs:
					running[s/step] += 1.0 / step
				}
			}
		}
		c := r.Course(executions, 1, seconds(from), seconds(from+step*n), n)
		require.InDeltaSlice(t, waiting[:], c.Waiting, 1e-9)
		require.InDeltaSlice(t, running[:], c.Running, 1e-9)
	})
}

func TestACourseWithoutALengthIsFlat(t *testing.T) {
	t.Parallel()
	r := Report{Started: []time.Duration{0}}
	require.Equal(t, Course{[]float64{0, 0}, []float64{0, 0}}, r.Course([]Execution{{}}, 0, time.Second, time.Second, 2))
}

// What limits let nothing start of is counted, and all others are played as if it were not there.
func TestWhatCanNeverStartIsCounted(t *testing.T) {
	t.Parallel()
	none, rated := upTo(0, 3), upTo(0, 1)
	rated.Rate = admission.Rate{PerSecond: 1, Burst: 1}
	c := Config{Workspaces: []Workspace{upTo(1, 1), none, rated}, SlotTime: true}
	for n := range 10 {
		c.Executions = append(c.Executions, Execution{Workspace: n % 3, Priority: 3, Runs: time.Second})
	}
	r := simulate(t, c)
	require.Equal(t, 6, r.NeverStarted)
	require.Equal(t, Waits{P50: time.Second, P99: 3 * time.Second, Max: 3 * time.Second}, r.Waits)
	require.Equal(t, []int{4, 0, 0}, []int{r.Workspaces[0].Executions, r.Workspaces[1].Executions, r.Workspaces[2].Executions})
	require.Equal(t, []int{0, 3, 3}, []int{r.Workspaces[0].NeverStarted, r.Workspaces[1].NeverStarted, r.Workspaces[2].NeverStarted})
	require.InDelta(t, 1, r.Workspaces[0].Utilisation, 1e-9, "until the last start, as if the others were not there")
	require.Equal(t, time.Duration(-1), r.Started[1])

	c.Global = -1
	r = simulate(t, c)
	require.Equal(t, 10, r.NeverStarted)
	require.Zero(t, r.Lasted)
}

func TestASimulationEndsWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	w, e := Generate(1, Class{Workspace: upTo(1, 1), Count: 1, Executions: 40, Runs: time.Second, Fixed: true})
	left := 7
	_, err := Run(Config{Workspaces: w, Executions: e, Stop: func() error {
		if left--; left == 0 {
			return context.Canceled
		}
		return nil
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, left)
}
