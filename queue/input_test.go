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

// sized is an input of so many bytes, as Postgres prints it.
func sized(bytes int) json.RawMessage {
	const frame = `{"a": ""}`
	return json.RawMessage(`{"a": "` + strings.Repeat("x", bytes-len(frame)) + `"}`)
}

func TestInputOfExactly256KiBIsTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.Input = append(json.RawMessage("  \n"), strings.Replace(string(sized(queue.MaxInputBytes)), ":", " :\n", 1)...) // white space does not count
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

// A number with an exponent is short as it is written, and long as it is stored, read and sent.
func TestNumbersCountAsTheyAreWrittenOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, bomb := range []string{
		`{"a":[` + strings.Repeat("1e131071,", 40) + `1]}`,
		`{"a":[` + strings.Repeat("1E+131071,", 2) + `1]}`,
		`{"a":[` + strings.Repeat("1e9,", 65_000) + `1]}`,
		`{"a":1e131072}`,
		`{"a":1e-99999}`,
		`{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
		`{"a":` + strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat("}", 5001),
	} {
		item := b.item()
		item.Input = json.RawMessage(bomb)
		keyed := item
		keyed.UniqueKey = "k"
		for _, i := range []queue.Item{item, keyed} {
			require.ErrorIs(t, i.Validate(), queue.ErrInvalid)
			_, err := b.queue.Enqueue(t.Context(), i)
			require.ErrorIs(t, err, queue.ErrInvalid)
			_, err = b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), i})
			require.ErrorIs(t, err, queue.ErrInvalid)
			_, err = b.queue.EnqueueTx(t.Context(), b.begin(t), i)
			require.ErrorIs(t, err, queue.ErrInvalid)
		}
	}
	require.Zero(t, b.count(t, "pending"))

	item := b.item()
	item.Input = json.RawMessage(`{"a":1e2000}`)
	require.NoError(t, item.Validate())
	b.enqueue(t, item)
	require.Equal(t, 1, b.count(t, "inputs"), "where it is kept depends on its real size too")
}

func TestTextsHaveBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, bad := range []string{strings.Repeat("ä", 201), "a\x1b[2Jb", "\u202egnp", "two\nlines", "a\x00b", "\xff", "\u200b"} {
		for name, change := range map[string]func(*queue.Item){
			"EnqueuedBy":  func(i *queue.Item) { i.EnqueuedBy = bad },
			"TriggerType": func(i *queue.Item) { i.TriggerType = bad },
		} {
			item := b.item()
			change(&item)
			_, err := b.queue.Enqueue(t.Context(), item)
			require.ErrorIs(t, err, queue.ErrInvalid)
			require.ErrorContains(t, err, name)
			require.NotContains(t, err.Error(), "\x1b")
		}
		_, err := b.queue.Cancel(t.Context(), uuid.New(), bad, "")
		require.ErrorIs(t, err, queue.ErrInvalid)
	}
	for _, bad := range []string{strings.Repeat("k", 513), "a\x00b", "\xff"} {
		item := b.item()
		item.UniqueKey = bad
		_, err := b.queue.Enqueue(t.Context(), item)
		require.ErrorIs(t, err, queue.ErrInvalid)
	}
	_, err := b.queue.Cancel(t.Context(), uuid.New(), "ann", strings.Repeat("x", 1001))
	require.ErrorIs(t, err, queue.ErrInvalid)
}
