package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// So large a share of the values lies at or below a quantile, and it is one of them.
func TestQuantile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(0, 50), 1, 40).Draw(t, "values")
		share := rapid.Float64Range(0.01, 1).Draw(t, "share")
		q := quantile(values, share)
		require.Contains(t, values, q)
		atMost, below := 0, 0
		for _, v := range values {
			if v <= q {
				atMost++
			}
			if v < q {
				below++
			}
		}
		require.GreaterOrEqual(t, float64(atMost)+1e-9, share*float64(len(values)))
		require.Less(t, float64(below), share*float64(len(values)), "a smaller one would do")
		require.Equal(t, slices.Min(values), quantile(values, 0))
		require.Equal(t, slices.Max(values), quantile(values, 1))
	})
	require.Zero(t, quantile([]time.Duration(nil), 0.5))
}

func TestMedian(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 2, median([]float64{9, 1, 2}), 0)
	require.InDelta(t, 1.5, median([]float64{2, 1}), 0)
	require.Zero(t, median(nil))
}

func TestRatioOfNothing(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 0.5, ratio(time.Second, 2*time.Second), 0)
	require.True(t, math.IsNaN(ratio(time.Second, 0)))
}
