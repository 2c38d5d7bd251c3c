package dispatch

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
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
