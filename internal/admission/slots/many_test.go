package slots_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/admission/slots"
)

// crowded is a book whose workspaces hold so many slots of executions that take a day each, as when a dispatcher begins.
func crowded(weight int, held ...int) *book {
	b := newBook()
	b.in.Batch = 1
	b.ledger.Fleet, b.ledger.Longest = slots.Known((24 * time.Hour).Seconds()), slots.Known((24 * time.Hour).Seconds())
	b.ledger.Learn()
	for i := range b.state {
		w := &b.state[i]
		w.Weight, w.Ceiling, w.Nominal, w.Ready = weight, 1_000_000, 1_000_000, 1_000_000
	}
	b.pass(noon)
	for i, n := range held {
		b.state[i].Used = n
		holds := make([]slots.Hold, n)
		for k := range holds {
			b.ledger.Resume(&holds[k], &b.accounts[i], slots.Kind{}, admission.Own, noon, noon)
		}
	}
	return b
}

// What a hundred thousand slots cost that are held for a day each is more than 2^63 units of virtual time.
func TestAnyNumberOfSlotsIsCountedThatAreHeldForADay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ weight, held int }{{1, 10}, {1, 1_200}, {1, 10_000}, {500, 120_000}} {
		b := crowded(c.weight, c.held, c.held*2/3)
		for at := time.Duration(0); at <= 30*time.Hour; at += time.Hour {
			clock := b.in.Clocks[admission.Own]
			b.pass(noon.Add(at))
			require.GreaterOrEqual(t, b.in.Clocks[admission.Own], clock, "%v, after %s", c, at)
			require.GreaterOrEqual(t, b.state[0].Tags[admission.Own], b.in.Clocks[admission.Own], "%v, after %s", c, at)
			require.Greater(t, b.state[0].Tags[admission.Own], b.state[1].Tags[admission.Own], "%v, after %s: who holds more is further ahead", c, at)
			d := admission.Decide(b.in)
			require.Len(t, d.Grants, 1, "%v, after %s", c, at)
			require.Equal(t, 1, d.Grants[0].Workspace, "%v, after %s", c, at)
		}
	}
}

// Virtual times that nothing can hold are cut off: who holds them stays behind one that holds nothing.
func TestVirtualTimesThatNothingCanHoldRunOverNowhere(t *testing.T) {
	t.Parallel()
	for _, held := range []int{150_000, 250_000} {
		b := crowded(1, held, 0)
		at := noon
		for b.pass(at); !b.in.Late(); b.pass(at) {
			d := admission.Decide(b.in)
			require.Len(t, d.Grants, 1)
			require.Equal(t, 1, d.Grants[0].Workspace, "%d, %s", held, at)
			clock := b.in.Clocks[admission.Own]
			at = at.Add(time.Minute)
			b.ledger.Pass(at)
			require.Greater(t, b.in.Clocks[admission.Own], clock)
		}
		require.Less(t, at, noon.Add(24*time.Hour), "the clock is to begin anew")
	}
}
