package simulate

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
)

// holding is how many slots each workspace holds on average, of so many, where all always have work.
func holding(t *testing.T, slots int, workspaces ...Workspace) []float64 {
	t.Helper()
	c := Config{Global: slots, SlotTime: true, Until: time.Hour, Workspaces: workspaces}
	for n := range workspaces {
		_, e := Generate(uint64(n), Class{Workspace: workspaces[n], Count: 1, Executions: slots * 400, Runs: 10 * time.Second})
		for i := range e {
			e[i].Workspace = n
		}
		c.Executions = append(c.Executions, e...)
	}
	r := simulate(t, c)
	held := make([]float64, len(workspaces))
	for i, o := range r.Workspaces {
		held[i] = o.Utilisation * float64(workspaces[i].Ceiling)
	}
	return held
}

// The examples of docs/concepts.md.
func TestWhatCohortsAndSpareCapacityMean(t *testing.T) {
	t.Parallel()
	member := func(cohort string, nominal, ceiling int) Workspace {
		w := upTo(ceiling, 1)
		w.Cohort, w.Nominal = cohort, nominal
		return w
	}
	t.Run("over time a nominal quota is a floor", func(t *testing.T) {
		t.Parallel()
		got := holding(t, 30, member("", 10, 30), member("", 0, 30))
		require.InDelta(t, 15, got[0], 1)
		require.InDelta(t, 15, got[1], 1)
		got = holding(t, 30, member("", 20, 30), member("", 0, 30))
		require.InDelta(t, 20, got[0], 1)
		require.InDelta(t, 10, got[1], 1)
	})
	t.Run("the weight of an idle member counts for its cohort", func(t *testing.T) {
		t.Parallel()
		idle := []Workspace{member("c", 3, 30), member("", 3, 30)}
		c := Config{Global: 22, SlotTime: true, Until: time.Hour}
		for range 9 {
			idle = append(idle, member("c", 3, 30))
		}
		c.Workspaces = idle
		for n := range 2 {
			for range 20_000 {
				c.Executions = append(c.Executions, Execution{Workspace: n, Priority: 3, Runs: 5 * time.Second})
			}
		}
		r := simulate(t, c)
		require.InDelta(t, 17.5, r.Workspaces[0].Utilisation*30, 0.5, "eleven workspaces, and the cohort is ten of them")
		require.InDelta(t, 4.5, r.Workspaces[1].Utilisation*30, 0.5, "its nominal quota first, then by weight")
	})
	t.Run("a cohort is one among the others", func(t *testing.T) {
		t.Parallel()
		got := holding(t, 3, member("c", 0, 3), member("c", 3, 3), upTo(3, 2))
		require.InDelta(t, 1.5, got[0]+got[1], 0.1, "%v", got)
		require.InDelta(t, 1.5, got[2], 0.1, "%v", got)
	})
	t.Run("what is not lent stays idle", func(t *testing.T) {
		t.Parallel()
		lender, none := member("c", 10, 30), 4
		lender.LendingLimit = &none
		c := Config{SlotTime: true, Until: time.Hour, Workspaces: []Workspace{member("c", 10, 30), lender}}
		for range 10_000 {
			c.Executions = append(c.Executions, Execution{Workspace: 0, Priority: 3, Runs: 5 * time.Second})
		}
		r := simulate(t, c)
		require.InDelta(t, 14, r.Workspaces[0].Utilisation*30, 0.1)
	})
}

// Whatever a user may set, and more.
func TestLimitsOfACohortDoNotOverflow(t *testing.T) {
	t.Parallel()
	for _, most := range []int{math.MaxInt32, math.MaxInt - 1, admission.Unlimited} {
		for _, lends := range []*int{nil, new(0), new(1), new(most)} {
			c := Config{SlotTime: true}
			for n := range 3 {
				w := upTo(most, 1000)
				w.Cohort, w.LendingLimit = "c", lends
				if n == 2 && (lends == nil || *lends > 0) {
					w.Nominal, w.LendingLimit = 0, nil // it has what the two others lend, and nothing of its own
				}
				c.Workspaces = append(c.Workspaces, w)
				c.Executions = append(c.Executions, Execution{Workspace: n, Priority: 3, Runs: 1 << 62}, Execution{Workspace: n, Priority: 3, Runs: time.Second})
			}
			r, err := Run(c)
			require.NoError(t, err)
			require.Zero(t, r.Waits.Max)
			require.Zero(t, r.NeverStarted, "%d, lends %v", most, lends)
		}
	}
}
