package recovery

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"sluice/workflows"
)

// Temporal lists nothing, and 40 of 2,000 executions have ended whose outcome nobody has recorded. The worst that can be: they were
// compared just before they ended, and the others as long ago as they are while Temporal lists all of them.
func TestEndsAmongThousandsOfSlotsAreFoundWithoutListsWithinFourPasses(t *testing.T) {
	t.Parallel()
	const slots, ended = 2000, 40
	b := setup(t)
	ids := b.run(t, slots)
	every := time.Duration(workflows.ReconcileEvery)
	b.exec(t, `UPDATE sluice.running r SET checked_at = now() - ($2 - n + $3 - 1) / $3 * $4::interval
		FROM unnest($1::uuid[]) WITH ORDINALITY AS i (id, n) WHERE r.id = i.id`, ids, slots, turnBatch, every)
	for n, id := range ids {
		w := workflow{runID: firstRun(id), status: running}
		if n >= slots-ended {
			w.status, w.output = completed, `{}`
		}
		b.has(id, w)
	}
	unavailable := serviceerror.NewUnavailable("no visibility")
	b.temporal.lists = func(context.Context) error { return unavailable }
	var asked atomic.Int64
	b.temporal.describe = func(context.Context, string) error { asked.Add(1); return nil }
	passes, left, most := 0, ended, int64(0)
	for unfinished := false; left > 0; {
		if !unfinished { // or it goes on at once, on a machine that is too slow for a whole pass
			b.exec(t, `UPDATE sluice.running SET checked_at = checked_at - $1::interval`, every)
			passes++
		}
		asked.Store(0)
		report, err := b.Pass(t.Context(), &b.known)
		if unfinished = errors.Is(err, ErrUnfinished); !unfinished {
			require.ErrorIs(t, err, ErrLists)
		}
		most, left = max(most, asked.Load()), left-int(report.Repaired)
	}
	require.LessOrEqual(t, passes, 4)
	require.LessOrEqual(t, most, int64(missingBatch), "a pass makes a limited number of calls")
	// A pass lasts listTimeout where the lists hang, which is no longer than the time between two.
	require.Equal(t, listTimeout, every)
	require.LessOrEqual(t, time.Duration(passes)*every, 8*time.Second)
}

// Temporal is so slow, or has so much to mend, that a pass ends before it has compared all that have their turn. The next one goes on.
func TestAPassThatRunsOutOfTimeNotesWhatItHasCompared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const slots, answered = 2 * compareParallel, 5
	for _, id := range b.run(t, slots) {
		b.has(id, workflow{runID: firstRun(id), status: running})
	}
	var asked atomic.Int64
	b.temporal.describe = func(ctx context.Context, _ string) error {
		if asked.Add(1) <= answered {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	report, err := b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, ErrUnfinished)
	require.Zero(t, b.known.failing, "it has not failed")
	require.Zero(t, b.lookedUntil(t))
	require.Equal(t, Report{Checked: answered}, report)
	require.Equal(t, answered, one[int](t, b.db, `SELECT count(*) FROM sluice.running WHERE checked_at > now() - interval '30 seconds'`))
	b.temporal.describe = func(context.Context, string) error { return nil }
	require.Equal(t, Report{Checked: slots - answered}, b.pass(t))

	b.exec(t, `UPDATE sluice.running SET checked_at = now() - interval '1 minute'`)
	b.temporal.describe = func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}
	_, err = b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, context.DeadlineExceeded, "another worker may have a better connection")
}
