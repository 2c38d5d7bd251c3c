package weather

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheClockStartsAgainWhenAnotherFaultsOutageEnds(t *testing.T) {
	t.Parallel()
	w := New()
	start := time.Now()
	require.True(t, w.Fair(1))
	require.Equal(t, start, w.Since(1, start))

	own, other := w.Breaks(1), w.Breaks(2)
	require.False(t, w.Fair(1), "another fault keeps a part away")
	own()
	require.Equal(t, start, w.Since(1, start), "its own outage does not start it again")
	other()
	other() // once is enough
	require.True(t, w.Fair(1))
	require.Len(t, w.Outages(), 1, "they overlapped")
	require.Positive(t, w.Outages()[0].To.Sub(w.Outages()[0].From))
	require.True(t, w.Since(1, start).After(start))
	later := time.Now().Add(time.Second)
	require.Equal(t, later, w.Since(1, later), "what was over before does not matter")
}
