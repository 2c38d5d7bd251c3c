package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheClockStartsAgainWhenAnotherFaultsOutageEnds(t *testing.T) {
	t.Parallel()
	w := newWeather()
	start := time.Now()
	require.True(t, w.fair(1))
	require.Equal(t, start, w.since(1, start))

	own, other := w.breaks(1), w.breaks(2)
	require.False(t, w.fair(1), "another fault keeps a part away")
	own()
	require.Equal(t, start, w.since(1, start), "its own outage does not start it again")
	other()
	other() // once is enough
	require.True(t, w.fair(1))
	require.True(t, w.since(1, start).After(start))
	later := time.Now().Add(time.Second)
	require.Equal(t, later, w.since(1, later), "what was over before does not matter")
}
