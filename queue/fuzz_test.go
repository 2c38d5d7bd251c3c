package queue_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// Whatever an application gives: an item is enqueued as it says, or refused as invalid. An error of another kind would be that of
// everybody whose items share its statement.
func FuzzEnqueue(f *testing.F) {
	for _, input := range []string{`{}`, ` {"a": 1e9} `, `{"a":"\u0000"}`, `{"a":"\ud83d"}`, `{"a":1e131072}`, `{"a":-1e-16384}`, `[]`, `nil`, "{\"\xff\":1}", `{"a":1,"a":2}`} {
		f.Add([]byte(input), "order-7", "ann", "WEBHOOK", 3, int64(0), int64(0))
		f.Add([]byte(input), "", "", "", 0, int64(time.Hour), int64(2*time.Hour))
	}
	f.Add([]byte(`{}`), "a\x00b", "\xff", "\u202e", -1, int64(-1<<62), int64(1<<62))
	b := setup(f)
	f.Fuzz(func(t *testing.T, input []byte, key, actor, trigger string, priority int, delay, expiry int64) {
		item := b.item()
		item.Input, item.UniqueKey, item.EnqueuedBy, item.TriggerType, item.Priority = input, key, actor, trigger, priority
		if delay != 0 {
			item.AvailableAt = time.Now().Add(time.Duration(delay))
		}
		if expiry != 0 {
			item.ExpiresAt = time.Now().Add(time.Duration(expiry))
		}
		answer, err := b.queue.Enqueue(t.Context(), item)
		_, together := b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), item})
		if err != nil {
			require.ErrorIs(t, err, queue.ErrInvalid)
			require.ErrorIs(t, together, queue.ErrInvalid)
			return
		}
		require.True(t, together == nil || errors.Is(together, queue.ErrInvalid) && expiry != 0, "%v", together) // its time may be over by now
		require.NotEqual(t, uuid.Nil, answer.QueueID)
		if key == "" {
			state, err := b.queue.Get(t.Context(), answer.QueueID)
			require.NoError(t, err)
			require.LessOrEqual(t, len(state.Input), queue.MaxInputBytes)
		}
	})
}
