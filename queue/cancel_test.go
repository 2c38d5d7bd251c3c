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
	claimed, running, completed, pending := b.enqueue(t, b.item()), b.enqueue(t, b.item()), b.enqueue(t, b.item()), b.enqueue(t, b.item())
	b.claim(t, claimed)
	b.dispatch(t, running)
	executed("COMPLETED")(t, b, completed)
	for id, want := range map[uuid.UUID]string{claimed: "CLAIMED", running: "DISPATCHED", completed: "DISPATCHED", pending: "CANCELLED"} {
		before := b.get(t, id)
		for range 2 { // again changes nothing
			got, err := b.queue.Cancel(t.Context(), id, "ann", "a duplicate")
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		if id != pending {
			require.Equal(t, before, b.get(t, id))
		}
	}
	got := b.get(t, pending)
	require.True(t, got.Done())
	require.Equal(t, "cancelled: a duplicate", *got.Error)
	require.Equal(t, "cancelled", *got.Reason)
	require.Nil(t, got.ExecutionID)
	require.Equal(t, "ann", one[string](t, b.pool, `SELECT actor FROM sluice.ended WHERE reason IS NOT NULL`))
	require.Zero(t, b.count(t, "pending"))
}

func TestCancelOfAnUnknownItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	_, err := b.queue.Cancel(t.Context(), id, "ann", "")
	require.ErrorIs(t, err, queue.ErrUnknownItem)
	require.ErrorContains(t, err, id.String())
}
