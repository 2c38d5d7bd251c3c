package estimate

import (
	"cmp"
	"slices"
	"time"
)

// Taken is a slot that was taken and, unless it is held still, freed, so long ago.
type Taken struct {
	Workspace int // -1: not known
	Available time.Duration
	Claimed   time.Duration
	Freed     time.Duration // below zero: it is held
}

// longestTurnaround is what a longer one counts as: somebody has waited for something else.
const longestTurnaround = 5 * time.Second

// Turnaround is how long a slot is free on average before somebody gets it who has waited for it. Where a limit is shared by all, any slot is
// taken to be the next one's, else those of the same workspace.
func Turnaround(shared bool, all []Taken) time.Duration {
	type moment struct {
		ago  time.Duration
		free bool
		of   *Taken
	}
	moments := make([]moment, 0, 2*len(all))
	for i := range all {
		moments = append(moments, moment{all[i].Claimed, false, &all[i]})
		if all[i].Freed >= 0 {
			moments = append(moments, moment{all[i].Freed, true, &all[i]})
		}
	}
	slices.SortFunc(moments, func(a, b moment) int { return cmp.Compare(b.ago, a.ago) })
	free := map[int][]time.Duration{} // when slots were freed that nobody has taken
	sum, n := time.Duration(0), time.Duration(0)
	for _, m := range moments {
		key := m.of.Workspace
		if shared {
			key = -1
		}
		if m.free {
			free[key] = append(free[key], m.ago)
			continue
		}
		if waiting := free[key]; len(waiting) > 0 {
			if free[key] = waiting[1:]; m.of.Available > waiting[0] {
				sum, n = sum+min(waiting[0]-m.ago, longestTurnaround), n+1
			}
		}
	}
	if n == 0 {
		return 0
	}
	return sum / n
}
