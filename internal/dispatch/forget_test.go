package dispatch

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

// Both may be heard at once: that the limits of a workspace have changed, and that it has had no items for as long as a sweep took.
func TestLimitsOfAWorkspaceThatIsForgottenAreRead(t *testing.T) {
	t.Parallel()
	c := newCache()
	known, forgotten := c.add(uuid.New()), c.add(uuid.New())
	known.view.Ceiling = 5
	c.forget(forgotten)
	require.NotContains(t, c.byID, forgotten.view.ID)
	c.close(known.view.ID)
	c.close(forgotten.view.ID)
	require.Zero(t, known.view.Ceiling)
	require.Equal(t, []*workspace{known}, c.touched)
}

// Events are deleted when they are old. A process that has heard of none for long has missed some, whatever else has told it the time since.
func TestWhatIsKnownIsForgottenWhereEventsMayHaveBeenMissed(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, 1)
	now := p.began.Add(2 * forgetAfter)
	p.e.freed([]uuid.UUID{uuid.New()}, time.Now(), now)
	p.e.takeHints()
	require.Equal(t, now.UnixMicro(), p.e.cache.now)
	require.NoError(t, p.e.apply(t.Context(), &hearing{engine: p.e, began: time.Now(), news: store.News{Now: now}}))
	require.False(t, p.e.cache.known)
}
