package main

import (
	"math"
	"slices"
	"time"
)

// quantile is the smallest of the durations that at least so large a share of them does not exceed; 0 of none.
func quantile(durations []time.Duration, share float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// row is what is known of the recoveries from one kind of fault.
type row struct {
	injected, recovered, late, restarted int
	median, p99, worst, worstWall        time.Duration
}

// rowOf sums recoveries up. Those that did not come have no time.
func rowOf(recoveries []recovery) row {
	var r row
	var took []time.Duration
	for _, one := range recoveries {
		r.injected++
		if one.waiting != "" {
			continue
		}
		r.recovered++
		took = append(took, one.took)
		r.worstWall = max(r.worstWall, one.wall)
		if one.took > recoveryPromise {
			r.late++
		}
		if one.restarted {
			r.restarted++
		}
	}
	r.median, r.p99, r.worst = quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1)
	return r
}
