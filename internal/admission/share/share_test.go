package share

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestShardsThatAreShortShareByWeight(t *testing.T) {
	t.Parallel()
	short := func(slots, used, weight int) Shard {
		return Shard{Slots: slots, Used: used, Weight: weight, More: 100}
	}
	for name, c := range map[string]struct {
		limit   int
		shards  []Shard
		want    []int
		changes bool
	}{
		"all that is free":                            {8, []Shard{short(0, 0, 1), short(0, 0, 3)}, []int{2, 6}, true},
		"what the other leaves":                       {8, []Shard{short(0, 0, 1), {Slots: 5, Used: 2}}, []int{6, 2}, true},
		"one that has all does not replace what ends": {4, []Shard{short(4, 4, 1), short(0, 0, 1)}, []int{2, 0}, true},
		"the other has what has ended":                {4, []Shard{short(2, 3, 1), short(0, 0, 1)}, []int{2, 1}, true},
		"one slot goes on to the one served less":     {1, []Shard{{Slots: 1, Used: 1, Weight: 1, More: 9, Served: 3}, short(0, 0, 1)}, []int{0, 0}, true},
		"not before a second has passed":              {1, []Shard{{Slots: 1, Used: 1, Weight: 1, More: 9, Served: 0.9}, short(0, 0, 1)}, []int{1, 0}, false},
		"a slot of a thousand does not change hands":  {1000, []Shard{{Slots: 334, Used: 334, Weight: 1, More: 9, Served: 99}, short(333, 333, 1), short(333, 333, 1)}, []int{334, 333, 333}, false},
		"all there is of the limit":                   {0, []Shard{short(0, 0, 1), short(0, 0, 1)}, []int{0, 0}, false},
		"none replaces what ends above a cut limit":   {6, []Shard{short(0, 2, 1), short(0, 6, 1)}, []int{0, 0}, false},
		"nor does one that asks for more":             {6, []Shard{short(4, 4, 1), {Slots: 4, Used: 4}}, []int{0, 0}, true},
	} {
		slots, changes := Divide(c.limit, c.shards)
		require.Equal(t, c.want, slots, name)
		require.Equal(t, c.changes, changes, name)
	}
}

// Whatever shards have: no division allows more than the limit, and nothing stays free that a shard could use at once.
func TestNoDivisionExceedsTheLimitOrLeavesASlotToNobody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 50).Draw(t, "limit")
		shards := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Shard {
			s := Shard{Slots: rapid.IntRange(0, 30).Draw(t, "slots"), Used: rapid.IntRange(0, 20).Draw(t, "used")}
			if rapid.Bool().Draw(t, "short") {
				s.Weight, s.More = rapid.IntRange(1, 1<<31).Draw(t, "weight"), rapid.IntRange(1, 20).Draw(t, "more")
				s.Served = rapid.Float64Range(0, 10).Draw(t, "served")
			}
			return s
		}), 1, 6).Draw(t, "shards")
		slots, _ := Divide(limit, shards)
		held, used, given := 0, 0, 0
		for i, s := range shards {
			held, used, given = held+max(slots[i], s.Used), used+s.Used, given+slots[i]
		}
		if used > limit {
			require.Zero(t, given, "no shard replaces what ends")
			return
		}
		require.LessOrEqual(t, held, limit)
		for i, s := range shards {
			if held < limit && s.short() && sumOf(shards) <= limit {
				require.GreaterOrEqual(t, max(slots[i], s.Used), s.Used+s.More, "shard %d could use what is free", i)
			}
		}
	})
}

// Two that always have work, and end one slot in each step: over time each has held slots by its weight.
func TestEachShardIsServedByItsWeight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		shards := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Shard {
			return Shard{Weight: rapid.IntRange(1, 5).Draw(t, "weight"), More: 100}
		}), 2, 4).Draw(t, "shards")
		const step, steps = 0.1, 20_000
		total := 0
		for i := range shards {
			total += shards[i].Weight
		}
		for range steps {
			for i := range shards { // everything ends in each step, and is replaced as far as that is allowed
				shards[i].Used = 0
			}
			for range 2 {
				slots, _ := Divide(limit, shards)
				for i := range shards {
					shards[i].Slots = slots[i]
				}
			}
			for i := range shards {
				shards[i].Used = shards[i].Slots
				shards[i].Served += float64(shards[i].Slots) * step / float64(shards[i].Weight)
			}
		}
		for i := range shards {
			got := shards[i].Served * float64(total) / (float64(limit) * step * steps)
			require.InDelta(t, 1, got, 0.05, "shard %d of %v", i, shards)
		}
	})
}

func sumOf(shards []Shard) (held int) {
	for i := range shards {
		held += shards[i].held()
	}
	return held
}
