package series

import (
	"math"
	"time"
)

// waits counts durations by their size, to 4 %.
type waits map[int16]int

const growth = 1.04

func (w waits) add(d time.Duration) {
	ms := float64(max(d, 0)) / float64(time.Millisecond)
	w[int16(math.Round(math.Log(ms+1)/math.Log(growth)))]++
}

func (w waits) merge(other waits) {
	for size, n := range other {
		w[size] += n
	}
}

func (w waits) count() (n int) {
	for _, some := range w {
		n += some
	}
	return n
}

// percentile is by nearest rank; zero where there is none.
func (w waits) percentile(p float64) time.Duration {
	rank, largest := int(math.Ceil(p*float64(w.count()))), int16(0)
	for size := range w {
		largest = max(largest, size)
	}
	for size := int16(0); size <= largest; size++ {
		if rank -= w[size]; rank <= 0 {
			return time.Duration((math.Pow(growth, float64(size)) - 1) * float64(time.Millisecond))
		}
	}
	return 0
}
