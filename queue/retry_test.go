package queue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// fail ends items FAILED for a reason, as starts do that no retry can help.
func (b *bundle) fail(t *testing.T, reason string, ids ...uuid.UUID) {
	t.Helper()
	b.claim(t, len(ids))
	for _, id := range ids {
		failed := failedStart(id)
		failed.Reason, failed.Permanent = reason, true
		require.Equal(t, queue.Requeued{Failed: 1}, b.requeue(t, 3, failed))
	}
}

func TestAFailedItemIsRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.UniqueKey, item.Priority, item.ExpiresAt, item.Input = "order-7", 1, inFuture(), []byte(`{"order": 7}`)
	id := b.enqueue(t, item)
	b.fail(t, "definition-gone", id)
	failed := b.view(t, id)
	require.Equal(t, "FAILED", failed.Status)
	require.Equal(t, "definition-gone", *failed.Reason)
	mark := b.mark(t)

	n, err := b.app.Retry(t.Context(), queue.RetryFilter{IDs: []uuid.UUID{id, id}}, "ann")
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.True(t, b.rung(t, mark), "new work is news")
	view := b.view(t, id)
	require.Equal(t, "PENDING", view.Status)
	require.Zero(t, view.AttemptCount)
	require.Nil(t, view.Reason)
	require.Equal(t, "definition-gone: no answer", *view.Error, "why its last start failed")
	require.WithinDuration(t, time.Now(), view.AvailableAt, 10*time.Second)
	require.Equal(t, failed.ExpiresAt, view.ExpiresAt)
	require.Equal(t, failed.CreatedAt, view.CreatedAt)
	require.Equal(t, failed.UniqueKey, view.UniqueKey)
	require.Equal(t, failed.Priority, view.Priority)
	require.JSONEq(t, `{"order": 7}`, string(view.Input))
	require.Equal(t, id, b.enqueue(t, item), "its unique key still answers with it")

	require.Equal(t, []uuid.UUID{id}, b.claim(t, 1))
	b.dispatch(t, id)
	b.end(t, id, "COMPLETED")
	story, err := b.app.ItemActivity(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"enqueued", "failed", "retried", "claimed", "dispatched", "completed"}, actions(story))
	require.Equal(t, "dispatcher", story[1].Actor)
	require.Equal(t, "definition-gone", *story[1].Reason)
	require.JSONEq(t, `{"error": "no answer"}`, string(story[1].Details))
	require.Equal(t, "ann", story[2].Actor)
	require.Equal(t, "definition-gone", *story[2].Reason)
	require.JSONEq(t, `{"attempts": 1}`, string(story[2].Details))
	b.checkInvariants(t)
}

func TestARetryByFilter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	b.fail(t, "start-refused", ids[:3]...)
	b.fail(t, "definition-gone", ids[3:]...)
	other, definition := b.newWorkspace(t, "globex", "FREE")
	require.NotEqual(t, other, b.workspace)
	cancelled := b.enqueue(t, b.item())
	cancel(t, b, cancelled)
	b.exec(t, `INSERT INTO sluice.refused_items SELECT gen_random_uuid(), $1, $2, 'FAILED', 'start-refused', NULL, 'dispatcher', now(),
		3, 1, now(), now(), NULL, NULL, 'FUNCTION', 'shop', '{}'`, other, definition)
	retry := func(f queue.RetryFilter) int64 {
		t.Helper()
		n, err := b.app.Retry(t.Context(), f, "ann")
		require.NoError(t, err)
		return n
	}
	require.Zero(t, retry(queue.RetryFilter{IDs: []uuid.UUID{}}), "no items are none, not all")
	require.Zero(t, retry(queue.RetryFilter{Reason: "no-such-reason"}))
	require.Zero(t, retry(queue.RetryFilter{WorkspaceID: uuid.New()}))
	require.EqualValues(t, 2, retry(queue.RetryFilter{WorkspaceID: b.workspace, Reason: "start-refused", Limit: 2}))
	require.Equal(t, ids[:2], list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue ORDER BY id`), "oldest first")
	require.EqualValues(t, 2, retry(queue.RetryFilter{Reason: "start-refused"}), "the third, and the other workspace's")
	require.EqualValues(t, 2, retry(queue.RetryFilter{}))
	require.Zero(t, retry(queue.RetryFilter{}))
	require.Equal(t, "CANCELLED", b.view(t, cancelled).Status)
	require.Equal(t, 6, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity_log WHERE action = 'retried'`))
	b.checkInvariants(t)
}

func TestAnItemPastItsExpiryIsNotRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 2)
	b.fail(t, "start-refused", ids...)
	b.exec(t, `UPDATE sluice.refused_items SET expires_at = now() - interval '1 hour' WHERE id = $1`, ids[0])

	_, err := b.app.Retry(t.Context(), queue.RetryFilter{IDs: ids}, "ann")
	require.ErrorIs(t, err, queue.ErrNotRetryable)
	require.ErrorContains(t, err, "item "+ids[0].String()+" is FAILED and was to expire at ")
	require.Equal(t, "FAILED", b.view(t, ids[1]).Status, "all or none")

	for _, f := range []queue.RetryFilter{{}, {WorkspaceID: b.workspace}, {Reason: "start-refused", Limit: 9}, {IDs: ids}} {
		n, err := b.app.CountExpired(t.Context(), f)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	}
	n, err := b.app.Retry(t.Context(), queue.RetryFilter{}, "ann")
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.Equal(t, "FAILED", b.view(t, ids[0]).Status)
	require.Equal(t, "PENDING", b.view(t, ids[1]).Status)
}

func TestWhatIsNotFailedIsNotRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	failed, running, ended, expired, pending := ids[0], ids[1], ids[2], ids[3], ids[4]
	b.fail(t, "start-refused", failed)
	require.Equal(t, []uuid.UUID{running, ended}, b.claim(t, 2))
	b.dispatch(t, running, ended)
	b.end(t, ended, "FAILED")
	b.exec(t, `UPDATE sluice.execution_queue SET expires_at = now() WHERE id = $1`, expired)
	_, err := b.dispatcher.Expire(t.Context(), 1)
	require.NoError(t, err)
	unknown := uuid.New()
	for id, want := range map[uuid.UUID]string{
		unknown: "no queue item " + unknown.String(),
		pending: "item " + pending.String() + " is PENDING, not FAILED",
		expired: "item " + expired.String() + " is EXPIRED, not FAILED",
		running: "is DISPATCHED and its execution RUNNING",
		ended:   "is DISPATCHED and its execution FAILED",
	} {
		n, err := b.app.Retry(t.Context(), queue.RetryFilter{IDs: []uuid.UUID{failed, id}}, "ann")
		require.Zero(t, n)
		require.ErrorContains(t, err, want)
		kind := queue.ErrNotRetryable
		if id == unknown {
			kind = queue.ErrUnknownItem
		}
		require.ErrorIs(t, err, kind)
	}
	require.Equal(t, "FAILED", b.view(t, failed).Status, "all or none")
	for _, f := range []queue.RetryFilter{{IDs: ids, Limit: 1}, {IDs: ids, Reason: "x"}, {IDs: ids, WorkspaceID: b.workspace}, {Limit: -1}} {
		_, err := b.app.Retry(t.Context(), f, "ann")
		require.ErrorIs(t, err, queue.ErrInvalid)
	}
}

// However many retry the same items at once, in whatever order they name them, each item goes back once.
func TestConcurrentRetries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	b.fail(t, "start-refused", ids...)
	var total atomic.Int64
	group, ctx := errgroup.WithContext(context.WithoutCancel(t.Context()))
	for n := range 8 {
		group.Go(func() error {
			f := queue.RetryFilter{}
			if n%2 == 0 {
				f.IDs = []uuid.UUID{ids[n/2+1], ids[n/2]}
			}
			retried, err := b.app.Retry(ctx, f, "ann")
			total.Add(retried)
			if n%2 == 0 && err != nil {
				return nil // another one was first
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.EqualValues(t, 5, total.Load())
	b.checkInvariants(t)
	b.requireEverywhere(t, ids)
}
