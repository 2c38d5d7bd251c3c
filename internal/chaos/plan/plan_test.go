package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheSameSeedGivesTheSamePlan(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		require.Equal(t, Make(seed, time.Hour, nil), Make(seed, time.Hour, nil))
		require.NotEqual(t, Make(seed, time.Hour, nil), Make(seed+1, time.Hour, nil))
	}
	long, short := Make(7, time.Hour, nil), Make(7, 5*time.Minute, nil)
	require.Equal(t, long[:len(short)], short, "a longer run begins with the shorter one")
}

func TestEveryKindOccursInFiveMinutes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		seen := map[Kind]int{}
		for _, f := range Make(seed, 5*time.Minute, nil) {
			seen[f.Kind]++
		}
		for _, kind := range Kinds() {
			require.Positive(t, seen[kind], "seed %d: %s", seed, kind)
		}
	}
}

func TestAnHourHasFiveHundredFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		require.GreaterOrEqual(t, len(Make(seed, time.Hour, nil)), 500)
	}
}

func TestTimesAreInBounds(t *testing.T) {
	t.Parallel()
	of := map[Kind]profile{}
	for _, p := range profiles {
		of[p.kind] = p
	}
	overlapping := 0
	for seed := range uint64(50) {
		var last time.Duration
		var busy time.Duration
		for n, f := range Make(seed, time.Hour, nil) {
			require.Equal(t, n+1, f.Number)
			require.GreaterOrEqual(t, f.At-last, shortestGap)
			require.Less(t, f.At-last, longestGap)
			require.Less(t, f.At, time.Hour)
			require.GreaterOrEqual(t, f.For, of[f.Kind].shortest)
			require.LessOrEqual(t, f.For, of[f.Kind].longest)
			if f.At < busy {
				overlapping++
			}
			last, busy = f.At, max(busy, f.At+f.For)
		}
	}
	require.Positive(t, overlapping)
}

func TestKindsCanBeChosen(t *testing.T) {
	t.Parallel()
	kinds, err := ParseKinds(" pause, worker-kill")
	require.NoError(t, err)
	require.Equal(t, []Kind{Pause, WorkerKill}, kinds)
	for _, f := range Make(1, time.Hour, kinds) {
		require.Contains(t, kinds, f.Kind)
	}
	_, err = ParseKinds("earthquake")
	require.ErrorContains(t, err, `unknown kind of fault "earthquake"`)
	all, err := ParseKinds("")
	require.NoError(t, err)
	require.Empty(t, all)
}
