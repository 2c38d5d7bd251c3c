package queue_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestEnqueueManyKeepsTheOrder(t *testing.T) {
	t.Parallel()
	const count = 5000
	b := setup(t)
	items := make([]queue.Item, count)
	for n := range items {
		items[n] = b.item()
		items[n].Input = json.RawMessage(fmt.Sprintf(`{"n": %d}`, n))
	}
	answers, err := b.app.EnqueueMany(t.Context(), items)
	require.NoError(t, err)
	require.Len(t, answers, count)
	want := make([]uuid.UUID, count)
	for n, a := range answers {
		require.Equal(t, "QUEUED", a.Status)
		want[n] = a.QueueID
	}
	require.Equal(t, want, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue ORDER BY priority, available_at, id`))
	require.Equal(t, want, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue ORDER BY (input ->> 'n')::int`),
		"each answer belongs to the item at its place")
	require.Equal(t, want[:3], b.claim(t, 3))
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.doorbell`), "one bell for a workspace, however many items")
}

func TestEnqueueManyMixesPlainItemsWithKeysAndTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.UniqueKey = "first"
	wantFirst := b.enqueue(t, item)

	later, keyed, again := b.item(), b.item(), b.item()
	later.AvailableAt = inFuture()
	keyed.UniqueKey, again.UniqueKey = "new", "new"
	answers, err := b.app.EnqueueMany(t.Context(), []queue.Item{b.item(), item, later, keyed, b.item(), again})
	require.NoError(t, err)
	require.Len(t, answers, 6)
	require.Equal(t, wantFirst, answers[1].QueueID)
	require.Contains(t, answers[1].Message, "Already enqueued")
	require.Equal(t, answers[3].QueueID, answers[5].QueueID, "a key counts within one call too")
	require.True(t, b.view(t, answers[2].QueueID).AvailableAt.After(b.view(t, answers[0].QueueID).AvailableAt))
	require.Equal(t, 5, one[int](t, b.pool, `SELECT count(*) FROM sluice.execution_queue`))
}

func TestEnqueueManySaysWhichItemIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bad := b.item()
	bad.Priority = 9
	_, err := b.app.EnqueueMany(t.Context(), []queue.Item{b.item(), bad})
	require.ErrorContains(t, err, "item 2 of 2")

	bad = b.item()
	bad.UniqueKey, bad.ExpiresAt = "k", inFuture().AddDate(-1, 0, 0)
	_, err = b.app.EnqueueMany(t.Context(), []queue.Item{b.item(), b.item(), bad})
	require.ErrorIs(t, err, queue.ErrInvalid)
	require.ErrorContains(t, err, "item 3 of 3")
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.queue_items`))
}

func TestEnqueueManyOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answers, err := b.app.EnqueueMany(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, answers)
}

func TestEnqueueManyTxRollsBackWithItsTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	keyed := b.item()
	keyed.UniqueKey = "k"
	_, err := b.app.EnqueueManyTx(t.Context(), tx, []queue.Item{b.item(), keyed})
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.queue_items`))
	answer, err := b.app.Enqueue(t.Context(), keyed)
	require.NoError(t, err)
	require.NotContains(t, answer.Message, "Already", "the key was rolled back too")
}

// Who asks and why is sent once while it is the same for all, and belongs to the right item as soon as it is not.
func TestEnqueueManyKeepsWhoAskedForWhat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, who := range [][]string{{"ann"}, {"ann", "ann", "ann"}, {"ann", "ann", "", "bob", "ann"}, {"", "", "ann"}, {"ann", "bob"}} {
		asked := items(b.item(), len(who))
		var want []string
		for n := range asked {
			asked[n].EnqueuedBy, asked[n].TriggerType = who[n], who[len(who)-1-n]
			want = append(want, cmp.Or(who[n], "shop")+" "+cmp.Or(who[len(who)-1-n], "FUNCTION"))
		}
		answers, err := b.app.EnqueueMany(t.Context(), asked)
		require.NoError(t, err)
		var ids []uuid.UUID
		for _, a := range answers {
			ids = append(ids, a.QueueID)
		}
		require.Equal(t, want, list[string](t, b.pool, `
			SELECT enqueued_by || ' ' || trigger_type FROM unnest($1::uuid[]) WITH ORDINALITY AS a (id, place) JOIN sluice.execution_queue USING (id) ORDER BY place`, ids))
	}
}
