package estimate

import (
	"math/rand/v2"
	"time"
)

// Arrivals are the items of a workspace that have become available of late.
type Arrivals struct {
	N           [5]int        // by priority
	First, Last time.Duration // so long ago
}

// Add counts some of a priority, of which the first and the last became available so long ago.
func (a *Arrivals) Add(priority, n int, first, last time.Duration) {
	if a.count() == 0 {
		a.First, a.Last = first, last
	}
	a.N[priority-1] += n
	a.First, a.Last = max(a.First, first), min(a.Last, last)
}

// silent is after how many usual gaps without an arrival they are taken to have come to an end.
const silent = 5

func (a *Arrivals) count() (n int) {
	for _, of := range a.N {
		n += of
	}
	return n
}

// perSecond is how often they come now.
func (a *Arrivals) perSecond() float64 {
	n := a.count()
	if n == 0 || n > 1 && a.Last.Seconds()*float64(n-1) > silent*(a.First-a.Last).Seconds()+1 {
		return 0
	}
	return max(float64(n-1), 0.5) / max(a.First.Seconds(), 1)
}

// until is when they come to an end. Those that have come for as long as anything is known of, which is so long, are taken to go on. What began
// later goes on for as long again in half of all cases, and for three times as long in a quarter: a flood that began a minute ago is not
// expected to go on for hours.
func (a *Arrivals) until(rnd *rand.Rand, known time.Duration) time.Duration {
	u := max(rnd.Float64(), 1e-6)
	if a.First > known*9/10 {
		return never
	}
	return lasts(max(a.First.Seconds(), 1) * (1/u - 1))
}

// priority is that of one of them.
func (a *Arrivals) priority(rnd *rand.Rand) int {
	at := rnd.IntN(a.count())
	for priority, n := range a.N {
		if at -= n; at < 0 {
			return priority
		}
	}
	return 2
}
