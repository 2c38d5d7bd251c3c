package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestAFailedStartGoesBackWithBackoff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	policy := queue.RetryPolicy{MaxAttempts: 10, Backoff: time.Minute, MaxBackoff: 5 * time.Minute, Jitter: 0.2}
	id := b.enqueue(t, b.item())
	for attempt, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		require.Equal(t, []uuid.UUID{id}, b.claim(t, 1))
		mark := b.mark(t)
		got, err := b.dispatcher.Requeue(t.Context(), b.fence, []queue.FailedStart{failedStart(id)}, policy)
		require.NoError(t, err)
		require.Equal(t, queue.Requeued{Pending: 1}, got)
		require.True(t, b.rung(t, mark), "a freed slot is news")
		require.Empty(t, b.held(t))

		view := b.view(t, id)
		require.Equal(t, "PENDING", view.Status)
		require.Equal(t, attempt+1, view.AttemptCount)
		require.Equal(t, "start-failed: no answer", *view.Error)
		wait := time.Until(view.AvailableAt)
		require.Greater(t, wait, want*8/10-10*time.Second, "at least 80 %")
		require.LessOrEqual(t, wait, want*12/10, "at most 120 %")
		require.Empty(t, b.claim(t, 1))
		b.exec(t, `UPDATE sluice.execution_queue SET available_at = now()`)
	}
	b.checkInvariants(t)
}

func TestBackoffsDiffer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	b.claim(t, 5)
	failed := make([]queue.FailedStart, len(ids))
	for i, id := range ids {
		failed[i] = failedStart(id)
	}
	_, err := b.dispatcher.Requeue(t.Context(), b.fence, failed, queue.RetryPolicy{MaxAttempts: 3, Backoff: time.Hour, MaxBackoff: time.Hour, Jitter: 0.2})
	require.NoError(t, err)
	require.Equal(t, 5, one[int](t, b.pool, `SELECT count(DISTINCT available_at) FROM sluice.execution_queue`), "jitter keeps them apart")
}

func TestTheLastAttemptEndsFailed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	for range 2 {
		b.claim(t, 1)
		require.Equal(t, queue.Requeued{Pending: 1}, b.requeue(t, 3, failedStart(id)))
	}
	b.claim(t, 1)
	mark := b.mark(t)
	require.Equal(t, queue.Requeued{Failed: 1}, b.requeue(t, 3, failedStart(id)))
	require.True(t, b.rung(t, mark), "its slot is free")
	got := b.view(t, id)
	require.Equal(t, "FAILED", got.Status)
	require.Equal(t, 3, got.AttemptCount)
	require.Equal(t, "start-failed: no answer", *got.Error)
	require.Empty(t, b.claim(t, 1))
	b.checkInvariants(t)
}

func TestAPermanentFailureEndsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 2)
	b.claim(t, 2)
	permanent := queue.FailedStart{ExecutionID: ids[0], Reason: "definition-gone", Permanent: true}
	require.Equal(t, queue.Requeued{Pending: 1, Failed: 1}, b.requeue(t, 3, permanent, failedStart(ids[1])))
	got := b.view(t, ids[0])
	require.Equal(t, "FAILED", got.Status)
	require.Contains(t, *got.Error, "definition-gone")
	require.Equal(t, 1, got.AttemptCount)
	b.checkInvariants(t)
}

func TestRequeueLeavesAloneWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 3)
	b.claim(t, 3)
	policy := queue.RetryPolicy{MaxAttempts: 3, Backoff: time.Hour, MaxBackoff: time.Hour}
	nothing := func(fence queue.Fence, ids ...uuid.UUID) {
		t.Helper()
		var failed []queue.FailedStart
		for _, id := range ids {
			failed = append(failed, failedStart(id))
		}
		mark := b.mark(t)
		got, err := b.dispatcher.Requeue(t.Context(), fence, failed, policy)
		require.NoError(t, err)
		require.Zero(t, got)
		require.False(t, b.rung(t, mark))
	}
	nothing(b.fence)
	nothing(b.fence, uuid.New())
	b.dispatch(t, ids[0])
	nothing(b.fence, ids[0]) // its workflow exists
	b.end(t, ids[1], "COMPLETED")
	nothing(b.fence, ids[1])

	older := b.fence
	older.Cycle--
	nothing(older, ids[2]) // a later cycle of the same run has taken it up
	old := b.fence
	b.openEpoch(t, "successor")
	nothing(old, ids[2])
	require.Equal(t, "CLAIMED", b.view(t, ids[2]).Status)
	b.checkInvariants(t)
}
