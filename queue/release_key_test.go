package queue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// Once its item has ended, however it did, a key can be let go, and the next enqueue under it makes an item.
func TestAKeyCanBeLetGoWhenItsItemHasEnded(t *testing.T) {
	t.Parallel()
	for fate, f := range fates {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			item := b.item()
			item.UniqueKey = "order-7"
			first := b.enqueue(t, item)
			f.befall(t, b, first)
			answer, err := b.queue.ReleaseKey(t.Context(), b.workspace, "order-7", "ann")
			if !f.over {
				require.ErrorIs(t, err, queue.ErrKeyHeld)
				require.ErrorContains(t, err, first.String())
				require.ErrorContains(t, err, f.status)
				return
			}
			require.NoError(t, err)
			require.Equal(t, queue.Answer{QueueID: first, Status: f.status, Message: "The unique key is free: the next enqueue under it makes a new item."}, answer)
			require.NotEqual(t, first, b.enqueue(t, item))
			require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'key-released' AND actor = 'ann' AND queue_id = $1`, first))
		})
	}
}

func TestAKeyThatNobodyHoldsIsFreeAlready(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answer, err := b.queue.ReleaseKey(t.Context(), b.workspace, "nobody's", "ann")
	require.NoError(t, err)
	require.Equal(t, queue.Answer{Message: "No item holds this unique key."}, answer)
	_, err = b.queue.ReleaseKey(t.Context(), uuid.New(), "k", "ann")
	require.ErrorIs(t, err, queue.ErrUnknownWorkspace)
	_, err = b.queue.ReleaseKey(t.Context(), b.workspace, "", "ann")
	require.ErrorIs(t, err, queue.ErrInvalid)
}
