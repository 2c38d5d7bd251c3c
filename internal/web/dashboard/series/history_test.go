package series

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
)

// Between two looks it was as at the first; where nobody looked for long nothing is said.
func TestWhatWasSeenHoldsUntilTheNextLook(t *testing.T) {
	t.Parallel()
	h, now := newHistory(), time.Now().Truncate(Step)
	saw := func(ago time.Duration, backlog int) {
		h.at(now.Add(-ago)).level = &level{backlog: backlog, reasons: map[admission.Reason]int{}}
	}
	saw(5*time.Minute, 9)
	saw(20*time.Second, 3)
	saw(0, 1)
	h.hold(now.Add(-20*time.Second), now)
	points := h.points(now)
	for i, want := range []int{1, 3, 3, 3, 3} {
		p := points[Steps-1-i]
		require.True(t, p.Sampled, i)
		require.Equal(t, want, p.Backlog, i)
	}
	require.False(t, points[Steps-1-30].Sampled)
	require.True(t, points[Steps-1-60].Sampled)
}
