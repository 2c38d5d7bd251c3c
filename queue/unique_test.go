package queue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// The first item of a key answers for it for ever, whatever became of it.
func TestAUniqueKeyAnswersWithItsFirstItem(t *testing.T) {
	t.Parallel()
	fates := map[string]func(t *testing.T, b *bundle, id uuid.UUID){
		"while it waits":         func(*testing.T, *bundle, uuid.UUID) {},
		"when it is claimed":     func(t *testing.T, b *bundle, id uuid.UUID) { b.claim(t, 1) },
		"when it is dispatched":  func(t *testing.T, b *bundle, id uuid.UUID) { b.claim(t, 1); b.dispatch(t, id) },
		"when it has completed":  func(t *testing.T, b *bundle, id uuid.UUID) { b.claim(t, 1); b.end(t, id, "COMPLETED") },
		"when it was cancelled":  func(t *testing.T, b *bundle, id uuid.UUID) { cancel(t, b, id) },
		"when its start failed":  func(t *testing.T, b *bundle, id uuid.UUID) { b.claim(t, 1); b.requeue(t, 1, failedStart(id)) },
		"when it will try again": func(t *testing.T, b *bundle, id uuid.UUID) { b.claim(t, 1); b.requeue(t, 3, failedStart(id)) },
	}
	for name, befall := range fates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			item := b.item()
			item.UniqueKey = "order-7"
			first := b.enqueue(t, item)
			befall(t, b, first)
			for range 2 {
				answer, err := b.app.Enqueue(t.Context(), item)
				require.NoError(t, err)
				require.Equal(t, queue.Answer{QueueID: first, Status: "QUEUED", Message: "Already enqueued under this unique key; this is the first item."}, answer)
			}
			require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.queue_items`))
			b.checkInvariants(t)
		})
	}
}

func TestAUniqueKeyIsPerWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace(t, "globex", "FREE")
	ours := b.item()
	ours.UniqueKey = "order-7"
	theirs := queue.Item{WorkspaceID: other, DefinitionID: definition, UniqueKey: "order-7"}
	require.NotEqual(t, b.enqueue(t, ours), b.enqueue(t, theirs))
}

func TestSixteenCallersOfOneKeyMakeOneItem(t *testing.T) {
	t.Parallel()
	const callers = 16
	b := setup(t)
	item := b.item()
	item.UniqueKey = "order-7"
	ids := make([]uuid.UUID, callers)
	var group errgroup.Group
	for n := range callers {
		group.Go(func() error {
			answer, err := b.app.Enqueue(t.Context(), item)
			ids[n] = answer.QueueID
			return err
		})
	}
	require.NoError(t, group.Wait())
	want := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue`)
	for _, id := range ids {
		require.Equal(t, want, id)
	}
}

// Two enqueues of one key do wait for one another: the second learns whether the first came to be.
func TestAKeyRolledBackIsFreeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.UniqueKey = "order-7"
	tx := b.begin(t)
	rolledBack, err := b.app.EnqueueTx(t.Context(), tx, item)
	require.NoError(t, err)
	second := make(chan queue.Answer, 1)
	var group errgroup.Group
	group.Go(func() error {
		answer, err := b.app.Enqueue(t.Context(), item)
		second <- answer
		return err
	})
	b.awaitLockWait(t)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, group.Wait())
	require.NotEqual(t, rolledBack.QueueID, (<-second).QueueID)
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.execution_queue`))
}
