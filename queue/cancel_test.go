package queue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestCancelEndsWhatWaitsAndTouchesNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 4)
	require.Equal(t, ids[:3], b.claim(t, 3))
	b.dispatch(t, ids[1:3]...)
	b.end(t, ids[2], "COMPLETED")
	for i, want := range []string{"CLAIMED", "DISPATCHED", "DISPATCHED", "CANCELLED"} {
		before := b.view(t, ids[i])
		for range 2 { // again changes nothing
			got, err := b.app.Cancel(t.Context(), ids[i], "ann", "a duplicate")
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		if want != "CANCELLED" {
			require.Equal(t, before, b.view(t, ids[i]))
		}
	}
	got := b.view(t, ids[3])
	require.Equal(t, "cancelled: a duplicate", *got.Error)
	require.Equal(t, "ann", one[string](t, b.pool, `SELECT actor FROM sluice.refused_items`))
	require.Empty(t, b.claim(t, 5))
	b.checkInvariants(t)
}

func TestCancelOfAnUnknownItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	_, err := b.app.Cancel(t.Context(), id, "ann", "")
	require.ErrorIs(t, err, queue.ErrUnknownItem)
	require.ErrorContains(t, err, id.String())
}
