package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestTheDoorbellIsRungByWhatMatters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	news := map[string]func(t *testing.T){
		"an enqueue": func(t *testing.T) { b.enqueue(t, b.item()) },
		"many at once": func(t *testing.T) {
			_, err := b.app.EnqueueMany(t.Context(), items(b.item(), 2))
			require.NoError(t, err)
		},
		"an outcome": func(t *testing.T) { b.end(t, id, "COMPLETED") },
		"a limit":    func(t *testing.T) { b.setLimit(t, "PRO", 21) },
		"a weight": func(t *testing.T) {
			weight := 9
			_, err := b.app.SetTier(t.Context(), "PRO", queue.TierChange{Weight: &weight}, "ann")
			require.NoError(t, err)
		},
		"a plan": func(t *testing.T) {
			_, err := b.app.SetPlan(t.Context(), b.workspace, "PRO", "ann")
			require.NoError(t, err)
		},
	}
	for name, happen := range news {
		t.Run(name, func(t *testing.T) {
			before := b.mark(t)
			require.False(t, b.rung(t, before), "nothing happened")
			happen(t)
			require.True(t, b.rung(t, before))
			require.False(t, b.rung(t, b.mark(t)), "heard once")
		})
	}
	require.True(t, b.rung(t, ""), "an empty mark has seen nothing")
	quiet := b.mark(t)
	item := b.item()
	item.Priority = 9
	_, err := b.app.Enqueue(t.Context(), item)
	require.Error(t, err)
	item = b.item()
	item.DefinitionID = uuid.New()
	_, err = b.app.Enqueue(t.Context(), item)
	require.Error(t, err)
	_, err = b.app.EnqueueMany(t.Context(), []queue.Item{b.item(), item})
	require.Error(t, err)
	_, err = b.app.ApplyDefinition(t.Context(), b.workspace, graph("other", 1), "ann")
	require.NoError(t, err)
	b.claim(t, 1)
	require.False(t, b.rung(t, quiet), "none of this frees a slot or brings work")
}

// The mark is a snapshot, so that a bell is heard after its commit, whenever its transaction began.
func TestABellThatCommitsLateIsHeard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	inserted, idle := b.begin(t), b.begin(t)
	_, err := b.app.EnqueueTx(t.Context(), inserted, b.item())
	require.NoError(t, err)
	require.NotEmpty(t, one[string](t, idle, `SELECT now()::text`)) // begun, and nothing written yet

	mark := b.mark(t)
	_, err = b.app.EnqueueTx(t.Context(), idle, b.item())
	require.NoError(t, err)
	require.False(t, b.rung(t, mark), "neither has committed")
	middle := b.mark(t)
	require.NoError(t, inserted.Commit(t.Context()))
	require.True(t, b.rung(t, mark), "it had written before the mark")
	require.True(t, b.rung(t, middle))

	afterFirst := b.mark(t)
	require.False(t, b.rung(t, afterFirst), "heard once")
	require.NoError(t, idle.Commit(t.Context()))
	require.True(t, b.rung(t, afterFirst), "it had begun before the mark")
	require.False(t, b.rung(t, b.mark(t)))
}

func TestABellInASavepointIsHeard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	savepoint, err := tx.Begin(t.Context())
	require.NoError(t, err)
	_, err = b.app.EnqueueTx(t.Context(), savepoint, b.item())
	require.NoError(t, err)
	require.NoError(t, savepoint.Commit(t.Context()))
	mark := b.mark(t)
	require.NoError(t, tx.Commit(t.Context()))
	require.True(t, b.rung(t, mark))
}

func TestABellThatWasRolledBackIsNotHeard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	_, err := b.app.EnqueueTx(t.Context(), tx, b.item())
	require.NoError(t, err)
	mark := b.mark(t)
	require.NoError(t, tx.Rollback(t.Context()))
	require.False(t, b.rung(t, mark))
}

func TestSpinLooksUntilItsDeadline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mark := b.mark(t)
	rung, err := b.dispatcher.Spin(t.Context(), mark, time.Now().Add(20*time.Millisecond))
	require.NoError(t, err)
	require.False(t, rung)

	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = b.dispatcher.Spin(ctx, mark, inFuture())
	require.ErrorIs(t, err, context.Canceled)

	spun := make(chan bool, 1)
	go func() {
		rung, _ := b.dispatcher.Spin(t.Context(), mark, inFuture())
		spun <- rung
	}()
	b.enqueue(t, b.item())
	require.True(t, <-spun)
	rung, err = b.dispatcher.Spin(t.Context(), mark, time.Now().Add(-time.Second))
	require.NoError(t, err)
	require.True(t, rung, "it looks once even when it is late")
}

// What this process puts on record it need not look for.
func TestASpinHearsItsOwnProcess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 2)
	b.claim(t, 2)
	for name, happen := range map[string]func() error{
		"an enqueue": func() error { _, err := b.dispatcher.Enqueue(t.Context(), b.item()); return err },
		"many":       func() error { _, err := b.dispatcher.EnqueueMany(t.Context(), items(b.item(), 2)); return err },
		"an outcome": func() error {
			_, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: ids[0], Status: "COMPLETED"})
			return err
		},
	} {
		near := b.dispatcher.Shard(3).Near()
		require.NoError(t, happen())
		select {
		case <-near:
		default:
			t.Error(name)
		}
	}
	const never queue.Mark = "9000000000:9000000000:" // has seen whatever is going to be rung
	heard := make(chan bool, 1)
	go func() {
		yes, _ := b.dispatcher.Spin(t.Context(), never, time.Now().Add(time.Hour))
		heard <- yes
	}()
	require.Eventually(t, func() bool {
		_, err := b.dispatcher.Enqueue(t.Context(), b.item())
		require.NoError(t, err)
		select {
		case yes := <-heard:
			return yes
		default:
			return false
		}
	}, 10*time.Second, time.Millisecond, "nothing in Postgres tells of these")
}
