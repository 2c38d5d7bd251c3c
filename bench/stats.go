package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// quantile is the smallest of the values that at least so large a share of them does not exceed; 0 of none.
func quantile[T cmp.Ordered](values []T, share float64) T {
	var zero T
	if len(values) == 0 {
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratio is how many times b a is; not a number when there is nothing to compare with, which no gate accepts.
func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantiles compares a sample with its floor: the ratios, and what they are made of.
func quantiles(prefix string, sample, floor []time.Duration) []figure {
	var figures []figure
	for _, q := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		of, than := quantile(sample, q.share), quantile(floor, q.share)
		figures = append(figures,
			figure{prefix + q.name, "times", ratio(of, than)},
			figure{prefix + q.name + ".ms", "ms", milliseconds(of)},
			figure{prefix + q.name + ".floor.ms", "ms", milliseconds(than)})
	}
	return figures
}
