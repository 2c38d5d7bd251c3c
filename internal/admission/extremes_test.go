package admission

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// extreme is a situation in which every value is what a column of the database can hold at most or least, or close to it.
func extreme(t *rapid.T) Input {
	number := rapid.SampledFrom([]int{0, 1, 2, 1000, math.MaxInt32 - 1, math.MaxInt32})
	on := rapid.Custom(func(t *rapid.T) VirtualTime {
		return Recorded(rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, 1 << 40, math.MaxInt64 - 1, math.MaxInt64}).Draw(t, "time"))
	})
	place := rapid.SampledFrom([]Place{Outside, Waiting, Ahead, Owed})
	places := func(name string) Places { return Places{place.Draw(t, name), place.Draw(t, name)} }
	tags := func(name string) Tags { return Tags{on.Draw(t, name), on.Draw(t, name)} }
	limit := func(name string) int {
		return rapid.SampledFrom([]int{0, 1, math.MaxInt32, 100 * math.MaxInt32, Unlimited}).Draw(t, name)
	}
	in := Input{
		Now: noon, Batch: rapid.IntRange(0, 300).Draw(t, "batch"), Global: Pool{limit("global"), number.Draw(t, "global used")},
		Clocks:  Clocks(tags("clock")),
		Cohorts: make([]Cohort, rapid.IntRange(0, 2).Draw(t, "cohorts")), Workspaces: make([]Workspace, rapid.IntRange(1, 6).Draw(t, "workspaces")),
	}
	for i := range in.Cohorts {
		in.Cohorts[i] = Cohort{
			Name: string(rune('a' + i)), Pool: Pool{limit("cohort limit"), number.Draw(t, "cohort used")},
			Weight: max(1, number.Draw(t, "cohort weight")), Tags: tags("cohort tag"), Places: places("cohort place"), Clocks: Clocks(tags("cohort clock")),
		}
	}
	for i := range in.Workspaces {
		w := Workspace{
			ID: id(i + 1), Cohort: rapid.IntRange(-1, len(in.Cohorts)-1).Draw(t, "cohort"), Weight: max(1, number.Draw(t, "weight")),
			Quota:    Quota{number.Draw(t, "ceiling"), number.Draw(t, "nominal"), limit("borrowing")},
			Reserved: number.Draw(t, "reserved"), Used: number.Draw(t, "used"), Ready: number.Draw(t, "ready"), Tags: tags("tag"), Places: places("place"),
			Cost:  VirtualTime(rapid.SampledFrom([]int64{math.MinInt64, 0, 1, 1 << 30, 1 << 60, math.MaxInt64}).Draw(t, "cost")),
			Since: rapid.SampledFrom([]time.Time{{}, noon, time.UnixMicro(math.MinInt64), time.UnixMicro(math.MaxInt64)}).Draw(t, "since"),
		}
		if rapid.Bool().Draw(t, "rated") {
			w.Rate = Rate{
				PerSecond: rapid.SampledFrom([]float64{math.SmallestNonzeroFloat64, 1e-12, 0.5, 1e6}).Draw(t, "rate"),
				Burst:     rapid.SampledFrom([]int{1, math.MaxInt32}).Draw(t, "burst"),
			}
			w.Bucket = Bucket{
				Tokens: rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, math.MaxFloat64}).Draw(t, "tokens"),
				At:     rapid.SampledFrom([]time.Time{{}, noon, noon.Add(math.MaxInt64), noon.Add(math.MinInt64)}).Draw(t, "tokens at"),
			}.Until(noon)
		}
		in.Workspaces[i] = w
	}
	return in
}

func TestDecideKeepsLimitsHoweverLargeTheirValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, keepsLimits)
}

func FuzzExtremes(f *testing.F) { f.Fuzz(rapid.MakeFuzz(keepsLimits)) }

func keepsLimits(t *rapid.T) {
	in := extreme(t)
	for range 3 { // what is charged lies as far away
		d := Decide(in)
		then := after(in, d)
		total := 0
		for _, g := range d.Grants {
			before, w := in.Workspaces[g.Workspace], then.Workspaces[g.Workspace]
			require.Positive(t, g.Slots)
			require.Equal(t, before.Used+g.Slots, w.Used)
			require.LessOrEqual(t, w.Used, w.Ceiling)
			require.LessOrEqual(t, w.Used, w.most())
			require.GreaterOrEqual(t, w.Ready, 0)
			require.False(t, math.IsNaN(w.Tokens), "tokens")
			for class := range classes {
				require.InDelta(t, 0, float64(w.Tags[class]), float64(2*farthest), "a tag has overflowed")
			}
			if before.Cohort != NoCohort {
				k := then.Cohorts[before.Cohort]
				require.True(t, k.Used <= k.Limit || k.Used == in.Cohorts[before.Cohort].Used)
			}
			total += g.Slots
		}
		require.LessOrEqual(t, total, in.Batch)
		require.True(t, total == 0 || then.Global.Used <= then.Global.Limit)
		require.True(t, d.RateDue == 0 || d.RateDue >= time.Millisecond && d.RateDue <= longestWait, "%s", d.RateDue)
		for class := range classes {
			require.GreaterOrEqual(t, then.Clocks[class], in.Clocks[class], "the clock has gone back")
		}
		why := in.Why(d)
		for i, w := range then.Workspaces {
			room, _ := w.alone(in.Now, 0)
			full := total == in.Batch || then.Global.free() == 0 || w.Cohort != NoCohort && then.Cohorts[w.Cohort].free() == 0 && w.reserve(w.Used) == 0
			require.True(t, room == 0 || full, "workspace %d waits for nothing", i)
			require.True(t, then.Workspaces[i].Used > in.Workspaces[i].Used || why[i] != "")
		}
		in = then
	}
}

// A week ahead, or a day behind: the next start comes an interval from now at the latest.
func TestRateWaitsOneIntervalAtMostAfterTheClockHasJumped(t *testing.T) {
	t.Parallel()
	rate := Rate{PerSecond: 0.5, Burst: 1}
	for _, at := range []time.Time{noon.Add(7 * 24 * time.Hour), noon, noon.Add(-24 * time.Hour), time.Unix(1<<40, 0)} {
		b := Bucket{Tokens: 0, At: at}.Until(noon)
		require.LessOrEqual(t, rate.wait(rate.take(b, noon, 0)), 2*time.Second, at)
		require.Equal(t, 1, rate.starts(b, noon.Add(2*time.Second)), at)
	}
	for _, tokens := range []float64{math.NaN(), math.Inf(-1), -5} {
		require.Equal(t, 1, rate.starts(Bucket{Tokens: tokens, At: noon}, noon.Add(2*time.Second)), tokens)
	}
}

func TestRateWithoutAnEndIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []float64{math.SmallestNonzeroFloat64, 1e-300, 1e-10} {
		r := Rate{PerSecond: perSecond, Burst: 1}
		require.Equal(t, longestWait, r.wait(Bucket{At: noon}), "not at once, which would never rest")
	}
}
