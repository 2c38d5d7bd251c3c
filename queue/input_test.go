package queue_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/queue"
)

// sized is a compact input of so many bytes.
func sized(bytes int) json.RawMessage {
	const frame = `{"a":""}`
	return json.RawMessage(`{"a":"` + strings.Repeat("x", bytes-len(frame)) + `"}`)
}

func TestInputOfExactly256KiBIsTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.Input = append(json.RawMessage("  \n"), strings.Replace(string(sized(queue.MaxInputBytes)), ":", " : ", 1)...) // white space does not count
	b.enqueue(t, item)
	_, err := b.queue.EnqueueMany(t.Context(), []queue.Item{item})
	require.NoError(t, err)

	item.Input = sized(queue.MaxInputBytes + 1)
	_, err = b.queue.Enqueue(t.Context(), item)
	require.ErrorIs(t, err, queue.ErrInvalid)
	require.ErrorContains(t, err, "262145 bytes, at most 262144 (256 KiB)")
	_, err = b.queue.EnqueueMany(t.Context(), []queue.Item{item})
	require.ErrorIs(t, err, queue.ErrInvalid)
}

// A large input is written once, whichever way its item comes, and read as any other.
func TestLargeInputsAreStoredOnceAndReadBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, enqueue := range map[string]func(queue.Item) uuid.UUID{
		"plain": func(i queue.Item) uuid.UUID { return b.enqueue(t, i) },
		"with a key": func(i queue.Item) uuid.UUID {
			i.UniqueKey = uuid.NewString()
			return b.enqueue(t, i)
		},
		"among many": func(i queue.Item) uuid.UUID {
			keyed := i
			keyed.UniqueKey = uuid.NewString()
			answers, err := b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), i, b.item(), keyed})
			require.NoError(t, err)
			require.Equal(t, b.get(t, answers[1].QueueID).Input, b.get(t, answers[3].QueueID).Input)
			for _, place := range []int{0, 2} {
				require.JSONEq(t, `{}`, string(b.get(t, answers[place].QueueID).Input))
			}
			return answers[1].QueueID
		},
	} {
		for bytes, apart := range map[int]bool{store.LargeInput: false, store.LargeInput + 1: true, queue.MaxInputBytes: true} {
			item := b.item()
			item.Input = sized(bytes)
			id := enqueue(item)
			read := func(when string) {
				require.JSONEq(t, string(item.Input), string(b.get(t, id).Input), "%s, %d bytes, %s", name, bytes, when)
				require.Equal(t, apart, one[bool](t, b.pool, `SELECT EXISTS (SELECT FROM sluice.inputs WHERE id = $1)`, id))
			}
			require.Equal(t, apart, one[bool](t, b.pool, `SELECT input IS NULL FROM sluice.pending WHERE id = $1`, id))
			read("pending")
			b.dispatch(t, id)
			require.Equal(t, apart, one[bool](t, b.pool, `SELECT input IS NULL FROM sluice.running WHERE id = $1`, id))
			read("running")
			b.end(t, id, "COMPLETED")
			read("ended")
			require.True(t, one[bool](t, b.pool, `SELECT q.input = x.input FROM sluice.queue_items q JOIN sluice.executions x USING (id) WHERE id = $1`, id))
		}
	}
}

// What counts is the size without white space: that is what is stored.
func TestWhiteSpaceMakesNoInputLarge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.Input = json.RawMessage(`{"a":` + strings.Repeat(" ", 2*store.LargeInput) + `1}`)
	b.enqueue(t, item)
	require.Zero(t, b.count(t, "inputs"))
	require.JSONEq(t, `{"a": 1}`, one[string](t, b.pool, `SELECT input::text FROM sluice.pending`))
}
