package slots_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/admission/slots"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// book is a ledger of two workspaces of one weight that both wait for more.
type book struct {
	in       admission.Input
	ledger   slots.Ledger
	accounts [2]slots.Account
	state    [2]admission.Workspace
	touched  int
}

func newBook() *book {
	b := &book{in: admission.Input{CountsSlotTime: true, Batch: 0, Global: admission.Pool{Limit: admission.Unlimited}}}
	b.ledger.Input, b.ledger.Touched = &b.in, func(*slots.Account) { b.touched++ }
	for i := range b.state {
		b.state[i] = admission.Workspace{ID: uuid.UUID{byte(i + 1)}, Cohort: admission.NoCohort, Weight: 1, Ready: 1000,
			Quota: admission.Quota{Ceiling: 100, Nominal: 100, BorrowingLimit: admission.Unlimited}}
		b.accounts[i].Workspace = &b.state[i]
	}
	b.ledger.Learn()
	b.pass(noon)
	return b
}

// pass lets time pass, and has the policy look.
func (b *book) pass(now time.Time) {
	b.ledger.Pass(now)
	b.in.Now, b.in.Workspaces = now, b.state[:]
	b.in.Follow(admission.Decide(b.in))
}

func (b *book) ahead(i int) time.Duration {
	return time.Duration(float64(b.state[i].Tags[admission.Own]) / float64(admission.SlotTime(time.Second)) * float64(time.Second))
}

func TestAnExecutionIsChargedWhatItHasHeldItsSlotFor(t *testing.T) {
	t.Parallel()
	for _, taken := range []time.Duration{time.Second, slots.Unknown, 25 * time.Second} {
		b := newBook()
		var h slots.Hold
		b.ledger.Begin(&h, &b.accounts[0], slots.Kind{}, admission.Own, noon)
		require.InDelta(t, slots.Unknown.Seconds(), b.ahead(0).Seconds(), 0.01, "what nothing is known of")
		for at := time.Duration(0); at <= taken; at += 100 * time.Millisecond {
			b.pass(noon.Add(at))
			require.Greater(t, b.ahead(0), at-200*time.Millisecond, "what still runs counts as it runs")
		}
		b.ledger.End(&h, noon.Add(taken))
		require.InDelta(t, taken.Seconds(), b.ahead(0).Seconds(), 0.01)
		require.Equal(t, taken, b.ledger.Expected(&b.accounts[0]))
		require.Equal(t, taken, b.ledger.Expected(&b.accounts[1]), "of whom nothing is known, as any other")
	}
}

func TestKindsOfAWorkspaceAreExpectedToTakeWhatTheyTook(t *testing.T) {
	t.Parallel()
	b := newBook()
	kinds := []slots.Kind{{Type: "Short"}, {Type: "Long"}, {Definition: [16]byte{1}}}
	now := noon
	for range 40 {
		for n, kind := range kinds {
			var h slots.Hold
			b.ledger.Begin(&h, &b.accounts[0], kind, admission.Own, now)
			now = now.Add(time.Duration(1+n*10) * time.Second)
			b.ledger.End(&h, now)
		}
	}
	for n, kind := range kinds {
		var h slots.Hold
		before := b.ahead(0)
		b.ledger.Begin(&h, &b.accounts[0], kind, admission.Own, now)
		require.InDelta(t, 1+n*10, (b.ahead(0) - before).Seconds(), 0.1)
		b.ledger.Drop(&h, now)
		require.InDelta(t, before.Seconds(), b.ahead(0).Seconds(), 0.001, "one that was not started costs nothing")
	}
}

// A dispatcher that begins finds an execution that has run for a minute, of a kind that takes a second: it counts from now on.
func TestWhatIsFoundRunningCountsFromNowOn(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.ledger.Fleet = slots.Known(1)
	var h slots.Hold
	b.ledger.Resume(&h, &b.accounts[0], slots.Kind{}, admission.Own, noon.Add(-time.Minute), noon)
	for at := time.Duration(0); at <= 10*time.Second; at += 100 * time.Millisecond {
		b.pass(noon.Add(at))
	}
	b.ledger.End(&h, noon.Add(10*time.Second))
	require.InDelta(t, 10, b.ahead(0).Seconds(), 0.5)
	require.Equal(t, 70*time.Second, b.ledger.Expected(&b.accounts[0]))
}

// What one dispatcher has charged, the next gives back at the end: whenever it begins, it must take as much for charged.
func TestWhatIsFoundRunningIsChargedUntilWhenItWas(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.ledger.Fleet = slots.Known(10)
	b.ledger.Longest = slots.Known(1000)
	b.ledger.Learn()
	var h slots.Hold
	b.ledger.Begin(&h, &b.accounts[0], slots.Kind{}, admission.Own, noon)
	for at := time.Duration(0); at <= 100*time.Second; at += 5 * time.Millisecond {
		now := noon.Add(at)
		b.pass(now)
		if at%time.Second != 0 {
			continue
		}
		next := newBook()
		next.ledger.Fleet = slots.Known(10)
		next.pass(now)
		var found slots.Hold
		next.ledger.Resume(&found, &next.accounts[0], slots.Kind{}, admission.Own, noon, now)
		require.InDelta(t, b.ahead(0).Seconds(), at.Seconds()+next.ahead(0).Seconds(), 0.1, "after %v", at)
	}
}

// The clock was a day ahead when the execution began, and has been set right since.
func TestWhatIsFoundToBeginTomorrowIsChargedAsIfItBeganNow(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.ledger.Fleet = slots.Known(10)
	var h slots.Hold
	b.ledger.Resume(&h, &b.accounts[0], slots.Kind{}, admission.Own, noon.Add(24*time.Hour), noon)
	require.InDelta(t, 10, b.ahead(0).Seconds(), 0.01)
	b.pass(noon.Add(4 * time.Second))
	b.ledger.End(&h, noon.Add(4*time.Second))
	require.InDelta(t, 4, b.ahead(0).Seconds(), 0.01)
	require.Equal(t, 4*time.Second, b.ledger.Expected(&b.accounts[0]))
}

// Whatever the weight was when it began: what is not used up is charged and given back by the weight of now.
func TestAChangeOfWeightChangesWhatIsStillToCome(t *testing.T) {
	t.Parallel()
	for _, weights := range [][2]int{{1, 100}, {100, 1}, {3, 3}} {
		b := newBook()
		b.ledger.Fleet = slots.Known(1000)
		b.state[0].Weight = weights[0]
		b.pass(noon)
		var h slots.Hold
		b.ledger.Begin(&h, &b.accounts[0], slots.Kind{}, admission.Own, noon)
		b.pass(noon.Add(100 * time.Second))
		b.in.Reweigh(&b.state[0], weights[1])
		require.Equal(t, weights[1], b.state[0].Weight)
		used := 100 / float64(weights[0])
		require.InDelta(t, used+900/float64(weights[1]), b.ahead(0).Seconds(), 0.01)
		b.ledger.End(&h, noon.Add(100*time.Second))
		require.InDelta(t, used, b.ahead(0).Seconds(), 0.01)
	}
}

// A quarter of what it has taken would be more than is charged at once.
func TestWhatRunsForWeeksIsChargedAllThatItHolds(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.ledger.Longest = slots.Known((24 * time.Hour).Seconds())
	b.ledger.Learn()
	var h slots.Hold
	b.ledger.Resume(&h, &b.accounts[0], slots.Kind{}, admission.Own, noon.Add(-30*24*time.Hour), noon)
	for at := time.Duration(0); at <= 47*time.Hour; at += time.Hour {
		b.pass(noon.Add(at))
		require.GreaterOrEqual(t, b.ahead(0), at)
	}
}

// However many short executions end meanwhile, what a long one took is known when the next may end; but not for ever.
func TestTheLongestExecutionIsForgottenInTimeAndNotWithHowManyEnd(t *testing.T) {
	t.Parallel()
	b := newBook()
	now := noon
	run := func(takes time.Duration) {
		var h slots.Hold
		b.ledger.Begin(&h, &b.accounts[0], slots.Kind{}, admission.Own, now)
		now = now.Add(takes)
		b.ledger.Pass(now)
		b.ledger.End(&h, now)
	}
	run(5 * time.Minute)
	for range 30_000 {
		run(100 * time.Millisecond)
	}
	require.Greater(t, b.in.Longest, admission.SlotTime(290*time.Second), "of fifty minutes")
	now = now.Add(24*time.Hour - 50*time.Minute)
	b.ledger.Pass(now)
	require.InEpsilon(t, float64(admission.SlotTime(150*time.Second)), float64(b.in.Longest), 0.01)
	now = now.Add(12 * 24 * time.Hour)
	run(100 * time.Millisecond)
	require.Equal(t, admission.SlotTime(100*time.Millisecond), b.in.Longest)
}

func TestWhereStartsAreCountedNothingIsCharged(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.in.CountsSlotTime = false
	var h slots.Hold
	b.ledger.Begin(&h, &b.accounts[0], slots.Kind{}, admission.Own, noon)
	b.ledger.End(&h, noon.Add(time.Minute))
	require.Zero(t, b.ahead(0))
}

// What is on record may be anything.
func TestOnlyTimesAreTakenFromTheRecord(t *testing.T) {
	t.Parallel()
	for _, seconds := range []float64{0, -1, 1e300, 0 * -1} {
		require.Zero(t, slots.Known(seconds))
	}
	require.InDelta(t, 2.5, slots.Known(2.5).Seconds(), 1e-9)
}

// A dispatcher that begins expects of each kind what was on record, whatever is written there.
func TestKindsAreRecalledFromTheRecord(t *testing.T) {
	t.Parallel()
	kinds := []slots.Kind{{Type: "Short"}, {Type: "definition 1"}, {Definition: [16]byte{7}}}
	b := newBook()
	now := noon
	for n := range 30 {
		var h slots.Hold
		b.ledger.Begin(&h, &b.accounts[0], kinds[n%3], admission.Own, now)
		now = now.Add(time.Duration(1+n%3*10) * time.Second)
		b.ledger.End(&h, now)
	}
	require.Nil(t, b.accounts[1].Record())
	record := b.accounts[0].Record()
	record["type Bad"], record["type "], record["other"], record["definition x"] = -1, 1, 1, 1
	b.accounts[1].Recall(record)
	require.Len(t, b.accounts[1].Record(), 3)
	for n, kind := range kinds {
		var h slots.Hold
		before := b.state[1].Tags[admission.Own]
		b.pass(now)
		b.ledger.Begin(&h, &b.accounts[1], kind, admission.Own, now)
		charged := b.state[1].Tags[admission.Own] - max(before, b.in.Clocks[admission.Own])
		require.InDelta(t, 1+n*10, float64(charged)/float64(admission.SlotTime(time.Second)), 0.1)
		b.ledger.Drop(&h, now)
	}
}
