package parts_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/chaos/parts"
)

func TestAPartIsOneFaultsAtATime(t *testing.T) {
	t.Parallel()
	var c parts.Claims
	release, err := c.Take(t.Context(), "postgres")
	require.NoError(t, err)
	_, ok := c.Try("postgres")
	require.False(t, ok)
	_, ok = c.Try("temporal")
	require.True(t, ok)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Take(over, "postgres")
	require.ErrorIs(t, err, context.Canceled)
	release()
	_, err = c.Take(t.Context(), "postgres")
	require.NoError(t, err)
}
