package queue_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

func TestSettleThenOutcome(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"COMPLETED", "FAILED", "CANCELLED", "TERMINATED", "TIMED_OUT"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.enqueue(t, b.item())
			b.claim(t, 1)
			b.dispatch(t, id)
			got := b.view(t, id)
			require.Equal(t, "DISPATCHED", got.Status)
			require.Equal(t, "RUNNING", *got.ExecutionStatus)
			require.Equal(t, "run-"+id.String(), *got.EngineRunID)
			require.Equal(t, []uuid.UUID{id}, b.held(t))
			dispatchedAt := *got.DispatchedAt
			b.dispatch(t, id)
			require.Equal(t, dispatchedAt, *b.view(t, id).DispatchedAt, "settled again changes nothing")

			mark := b.mark(t)
			recorded, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: id, Status: status,
				Output: json.RawMessage(`{"sum": 3}`), Error: json.RawMessage(`{"message": "why"}`)})
			require.NoError(t, err)
			require.True(t, recorded)
			require.True(t, b.rung(t, mark), "a freed slot is news")
			got = b.view(t, id)
			require.Equal(t, "DISPATCHED", got.Status)
			require.Equal(t, status, *got.ExecutionStatus)
			require.Equal(t, "run-"+id.String(), *got.EngineRunID, "an outcome without a run id keeps the one that is known")
			require.JSONEq(t, `{"sum": 3}`, string(got.Output))
			require.JSONEq(t, `{"message": "why"}`, string(got.ExecutionError))
			require.Empty(t, b.held(t))
			b.checkInvariants(t)
		})
	}
}

func TestAnOutcomeMayComeBeforeItsSettle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	require.True(t, b.end(t, id, "FAILED"))
	b.dispatch(t, id)
	got := b.view(t, id)
	require.Equal(t, "FAILED", *got.ExecutionStatus)
	require.NotNil(t, got.DispatchedAt)
	require.Empty(t, b.held(t))
	b.checkInvariants(t)
}

func TestTheFirstOutcomeStays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 2)
	b.claim(t, 2)
	b.dispatch(t, ids...)
	require.True(t, b.end(t, ids[0], "COMPLETED"))
	want, mark := b.view(t, ids[0]), b.mark(t)
	require.False(t, b.end(t, ids[0], "TERMINATED"))
	require.Equal(t, want, b.view(t, ids[0]))
	require.Equal(t, ids[1:], b.held(t), "its slot is freed once, and nobody else's")
	require.False(t, b.rung(t, mark))
	b.checkInvariants(t)
}

// A start whose answer was lost looks failed; the workflow runs all the same and reports.
func TestTheOutcomeOfARequeuedItemTakesItOutAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.Input = json.RawMessage(`{"order": 7}`)
	id := b.enqueue(t, item)
	b.claim(t, 1)
	require.Equal(t, queue.Requeued{Pending: 1}, b.requeue(t, 3, failedStart(id)))
	require.Equal(t, "PENDING", b.view(t, id).Status)

	recorded, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: id, Status: "COMPLETED"})
	require.NoError(t, err)
	require.True(t, recorded)
	got := b.view(t, id)
	require.Equal(t, "COMPLETED", *got.ExecutionStatus)
	require.Equal(t, 1, got.AttemptCount)
	require.JSONEq(t, `{"order": 7}`, string(got.Input))
	require.Nil(t, got.EngineRunID)
	require.False(t, b.end(t, id, "FAILED"))
	require.Empty(t, b.claim(t, 5), "it never runs again")
	b.checkInvariants(t)
}

func TestTheOutcomeOfAnUnknownExecution(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: uuid.New(), Status: "COMPLETED"})
	require.ErrorIs(t, err, queue.ErrUnknownItem)
	refused := b.enqueue(t, b.item())
	cancel(t, b, refused)
	_, err = b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: refused, Status: "COMPLETED"})
	require.ErrorIs(t, err, queue.ErrUnknownItem)
	require.NoError(t, b.dispatcher.Settle(t.Context(), []queue.Started{{ExecutionID: uuid.New(), RunID: "r"}}), "nothing to record")
	b.checkInvariants(t)
}

// What an execution puts out may be more than the database can hold; its slot is freed all the same.
func TestAnOutcomeThatCannotBeStoredStillFreesItsSlot(t *testing.T) {
	t.Parallel()
	for name, output := range map[string]string{"NUL": `{"a": "\u0000"}`, "half a pair": `{"a": "\udead"}`, "not UTF-8": "{\"a\": \"\xff\"}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.enqueue(t, b.item())
			b.claim(t, 1)
			b.dispatch(t, id)
			recorded, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: id, Status: "COMPLETED", Output: json.RawMessage(output)})
			require.NoError(t, err)
			require.True(t, recorded)
			got := b.view(t, id)
			require.Equal(t, "COMPLETED", *got.ExecutionStatus)
			require.Nil(t, got.Output)
			require.Contains(t, string(got.ExecutionError), "could not be stored")
			require.Empty(t, b.held(t))
		})
	}
}

// Short executions end while the batch that started them is being settled: neither may wait for the other in a circle,
// and no execution may end before it was dispatched.
func TestOutcomesAndSettlesOfTheSameExecutionsMeet(t *testing.T) {
	t.Parallel()
	const rounds, batch = 15, 40
	b := setup(t)
	b.setLimit(t, "STARTER", batch)
	b.openEpoch(t, "run")
	for round := range rounds {
		_, err := b.app.EnqueueMany(t.Context(), items(b.item(), batch))
		require.NoError(t, err)
		_, err = b.dispatcher.Claim(t.Context(), queue.Fence{Epoch: b.fence.Epoch, Cycle: int64(round + 1)},
			[]queue.Grant{{WorkspaceID: b.workspace, Slots: batch, Limit: batch}})
		require.NoError(t, err)
		ids := b.held(t)
		require.Len(t, ids, batch)
		var group errgroup.Group
		group.Go(func() error {
			started := make([]queue.Started, batch)
			for i, id := range ids {
				started[i] = queue.Started{ExecutionID: id, RunID: "r"}
			}
			return b.dispatcher.Settle(t.Context(), started)
		})
		for half := range 2 {
			group.Go(func() error {
				for i := half; i < batch; i += 2 {
					if _, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: ids[i], RunID: "r", Status: "COMPLETED"}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait(), "a deadlock would end one of them")
		require.Empty(t, b.held(t))
	}
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.executions WHERE duration_ms < 0`))
	b.checkInvariants(t)
}

// A settle that holds its rows makes the outcome wait for the execution, not for the slot: one order for everybody.
func TestSettleLocksTheExecutionBeforeItsSlot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `SELECT FROM sluice.workflow_executions WHERE id = $1 FOR UPDATE`, id)
	require.NoError(t, err)
	var group errgroup.Group
	group.Go(func() error {
		return b.dispatcher.Settle(t.Context(), []queue.Started{{ExecutionID: id, RunID: "r"}})
	})
	group.Go(func() error {
		_, err := b.dispatcher.Release(t.Context(), []uuid.UUID{id}, 0)
		return err
	})
	b.awaitLockWaits(t, 2)
	_, err = tx.Exec(t.Context(), `SELECT FROM sluice.slots WHERE execution_id = $1 FOR UPDATE NOWAIT`, id)
	require.NoError(t, err, "they do not hold the slot while they wait for the execution")
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, group.Wait())
	b.checkInvariants(t)
}

// The outcome begins first and waits for the settle: it must not end the execution before it was dispatched.
func TestNoExecutionEndsBeforeItWasDispatched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `SELECT FROM sluice.workflow_executions WHERE id = $1 FOR UPDATE`, id)
	require.NoError(t, err)
	var group errgroup.Group
	group.Go(func() error {
		_, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: id, Status: "COMPLETED"})
		return err
	})
	b.awaitLockWait(t)
	_, err = tx.Exec(t.Context(), `UPDATE sluice.workflow_executions SET status = 'RUNNING', dispatched_at = clock_timestamp() WHERE id = $1`, id)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, group.Wait())
	got := b.view(t, id)
	require.Equal(t, "COMPLETED", *got.ExecutionStatus)
	require.False(t, got.CompletedAt.Before(*got.DispatchedAt))
}
