package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for n := 100; n > 0; n-- {
		hundred = append(hundred, time.Duration(n))
	}
	require.EqualValues(t, 50, quantile(hundred, 0.5))
	require.EqualValues(t, 99, quantile(hundred, 0.99))
	require.EqualValues(t, 100, quantile(hundred, 1))
	require.EqualValues(t, 7, quantile([]time.Duration{7}, 0.99))
	require.Zero(t, quantile(nil, 0.5))
	require.EqualValues(t, 100, hundred[0], "the caller's order stays")
}

func TestWhatHasNotRecoveredHasNoTime(t *testing.T) {
	t.Parallel()
	got := rowOf([]recovery{
		{took: 2 * time.Second, wall: 2 * time.Second},
		{took: 11 * time.Second, wall: 30 * time.Second, restarted: true},
		{took: 12 * time.Second, wall: 12 * time.Second, beside: true, whole: time.Second},
		{took: 13 * time.Second, wall: 13 * time.Second, beside: true, whole: 11 * time.Second},
		{took: time.Hour, wall: time.Hour, waiting: "the probe"},
	})
	require.Equal(t, row{injected: 5, recovered: 4, late: 2, restarted: 1, beside: 2,
		median: 11 * time.Second, p99: 13 * time.Second, worst: 13 * time.Second, worstWall: 30 * time.Second}, got)
}

func TestEveryKindCanBeInjected(t *testing.T) {
	t.Parallel()
	c := &chaos{cluster: &cluster.Cluster{Temporal: &cluster.Server{}, Postgres: &cluster.Server{}}}
	injectors := c.injectors()
	for _, kind := range plan.Kinds() {
		require.Contains(t, injectors, kind)
	}
	require.Len(t, injectors, len(plan.Kinds()))
}

func TestSharesMakeAHundred(t *testing.T) {
	t.Parallel()
	sum := 0
	for _, s := range shares {
		sum += s.percent
	}
	require.Equal(t, 100, sum)
}
