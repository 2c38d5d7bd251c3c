package recovery

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/workflows"
)

// overdue adds executions that were asked to cancel and are open still. Their slots do not have their turn.
func (b *bundle) overdue(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	ids := b.run(t, n)
	for _, id := range ids {
		b.has(id, workflow{runID: firstRun(id), status: running})
	}
	b.exec(t, `UPDATE sluice.running SET checked_at = now(), cancel_asked_at = now() - $2::interval WHERE id = ANY ($1)`, ids, workflows.CancelDeadline+time.Second)
	return ids
}

func TestEndsAreLearntWhileTerminationsHang(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.overdue(t, 3)
	b.temporal.terminate = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	missing, closed := b.run(t, 1)[0], b.run(t, 1)[0]
	b.exec(t, `UPDATE sluice.running SET checked_at = now() WHERE id = $1`, closed) // only the lists show it
	b.has(closed, workflow{runID: firstRun(closed), status: completed})
	_, err := b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, ErrUnfinished)
	require.Equal(t, "TERMINATED", b.status(t, missing))
	require.Equal(t, "COMPLETED", b.status(t, closed))
}

// As many as one pass ends, at a Temporal that takes its time for each call.
func TestManySlowTerminationsDoNotUseUpAPass(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.overdue(t, overdueMost)
	slow := func(ctx context.Context) error {
		select {
		case <-time.After(300 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var atOnce, most atomic.Int64
	b.temporal.describe = func(ctx context.Context, _ string) error { return slow(ctx) }
	b.temporal.terminate = func(ctx context.Context) error {
		most.Store(max(most.Load(), atOnce.Add(1)))
		defer atOnce.Add(-1)
		return slow(ctx)
	}
	began := time.Now()
	report := b.pass(t)
	require.Less(t, time.Since(began), compareTimeout)
	require.Less(t, report.Checked, int64(len(ids)), "the next passes go on")
	require.Greater(t, most.Load(), int64(1))
	b.temporal.describe = func(context.Context, string) error { return nil }
	b.temporal.terminate = func(context.Context) error { return nil }
	b.pass(t)
	require.Empty(t, b.held(t))
}
