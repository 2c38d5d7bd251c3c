package admitted_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sluice/admin"
	"sluice/internal/store/catalog"
	"sluice/queue"
)

// replay enqueues executions anew, and returns how many.
func (b *bundle) replay(t *testing.T, ids ...uuid.UUID) int64 {
	t.Helper()
	office := admin.New(b.pool)
	s, err := office.Select(t.Context(), admin.Replay, admin.Filter{IDs: ids})
	require.NoError(t, err)
	n, err := office.ReplaySelected(t.Context(), s, "ann", "", nil)
	require.NoError(t, err)
	return n
}

// replayed enqueues an execution anew, and returns the new item.
func (b *bundle) replayed(t *testing.T, id uuid.UUID) uuid.UUID {
	t.Helper()
	require.EqualValues(t, 1, b.replay(t, id))
	as := b.get(t, id).ReplayedAs
	require.NotNil(t, as)
	return *as
}

// failed starts a workflow whose execution fails.
func (b *bundle) failed(t *testing.T, r *startRequest) uuid.UUID {
	t.Helper()
	id := b.start(t, r)
	b.dispatch(t, id)
	b.end(t, id, "FAILED")
	return id
}

func TestAReplayHoldsTheWorkflowID(t *testing.T) {
	t.Parallel()
	for name, workflow := range map[string]string{"short": "invoice-1", "long": strings.Repeat("é", 400)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			r := start(func(r *startRequest) { r.WorkflowId = workflow })
			id := b.failed(t, r)
			for _, end := range []string{"TIMED_OUT", "TERMINATED"} { // the replay of a replay too
				id = b.replayed(t, id)
				require.Equal(t, id, b.start(t, r), "the same request")
				err := b.do(t.Context(), start(func(r *startRequest) { r.WorkflowId = workflow }), &workflowservice.StartWorkflowExecutionResponse{})
				require.Equal(t, codes.AlreadyExists, status.Code(err))
				b.dispatch(t, id)
				b.end(t, id, end)
			}
			require.NotEqual(t, id, b.start(t, start(func(r *startRequest) { r.WorkflowId = workflow })), "its id is free after its end")
		})
	}
}

func TestAReplayTakesAnIDThatNobodyHolds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.failed(t, start(nil))
	b.failed(t, start(nil)) // holds the key since
	b.startedAlready(t, b.replayed(t, first))

	b = setup(t)
	first = b.failed(t, start(nil))
	released, err := b.queue.ReleaseKey(t.Context(), b.workspace, *b.get(t, first).UniqueKey, "ann")
	require.NoError(t, err)
	require.Equal(t, first, released.QueueID)
	id := b.replayed(t, first)
	b.startedAlready(t, id)
	b.dispatch(t, id)
	b.end(t, id, "FAILED")
	require.NotEqual(t, id, b.start(t, start(nil)), "until it ends")
}

func TestAnExecutionIsNotReplayedWhileAnotherItemHasItsID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.failed(t, start(nil))
	second := b.start(t, start(nil))
	require.Zero(t, b.replay(t, first), "one waits")
	b.claim(t, second)
	require.Zero(t, b.replay(t, first), "it is being started")
	b.settle(t, second)
	require.Zero(t, b.replay(t, first), "it runs")
	b.startedAlready(t, second)
	b.end(t, second, "FAILED")

	require.EqualValues(t, 1, b.replay(t, first, second), "one at a time")
	id := *b.get(t, first).ReplayedAs
	require.Nil(t, b.get(t, second).ReplayedAs)
	require.Zero(t, b.replay(t, second))
	b.startedAlready(t, id)
	b.dispatch(t, id)
	b.end(t, id, "COMPLETED")
	b.startedAlready(t, b.replayed(t, second))
}

// A retry gives the key to the item that has it already.
func TestAReplayLeavesAnIDToTheRetryThatItWaitsFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.failed(t, start(nil))
	second := b.start(t, start(nil))
	b.refuse(t, second, "FAILED", "start-failed")
	office := admin.New(b.pool)
	s, err := office.Select(t.Context(), admin.Replay, admin.Filter{IDs: []uuid.UUID{first}})
	require.NoError(t, err)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // it may have been committed
	retried, err := catalog.Retry(t.Context(), tx, catalog.Failed{IDs: []uuid.UUID{second}}, 1, "ann")
	require.NoError(t, err)
	require.EqualValues(t, 1, retried)
	replayed := make(chan int64, 1)
	go func() {
		n, err := office.ReplaySelected(context.WithoutCancel(t.Context()), s, "ann", "", nil)
		if err != nil {
			n = -1
		}
		replayed <- n
	}()
	require.Eventually(t, func() bool {
		var waits bool
		err := b.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND $1::int = ANY (pg_blocking_pids(pid)))`,
			tx.Conn().PgConn().PID()).Scan(&waits)
		return err == nil && waits
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	require.Zero(t, <-replayed)
	b.startedAlready(t, second)
}

func TestOfReplaysAndStartsOfAnIDAtOnceOneIsEnqueued(t *testing.T) {
	t.Parallel()
	b := setup(t)
	office := admin.New(b.pool)
	last := b.failed(t, start(nil))
	for range 5 {
		s, err := office.Select(t.Context(), admin.Replay, admin.Filter{IDs: []uuid.UUID{last}})
		require.NoError(t, err)
		var group errgroup.Group
		for range 4 {
			group.Go(func() error {
				_, err := office.ReplaySelected(t.Context(), s, "ann", "", nil)
				return err
			})
			group.Go(func() error {
				err := b.do(t.Context(), start(nil), &workflowservice.StartWorkflowExecutionResponse{})
				if status.Code(err) == codes.AlreadyExists {
					return nil
				}
				return err
			})
		}
		require.NoError(t, group.Wait())
		items, err := b.queue.List(t.Context(), queue.Filter{Status: "PENDING"})
		require.NoError(t, err)
		require.Len(t, items, 1)
		last = items[0].ID
		b.startedAlready(t, last)
		b.dispatch(t, last)
		b.end(t, last, "FAILED")
	}
}
