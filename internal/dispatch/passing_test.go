package dispatch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/audit"
	"sluice/internal/operate"
)

// limit sets the ceiling of the first workspace for a time.
func (w *world) limit(to int, t admin.Term) {
	w.t.Helper()
	_, err := admin.New(w.app).SetWorkspaceFor(w.t.Context(), w.workspace, admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{To: &to}}, t, "ann", "")
	require.NoError(w.t, err)
}

func TestALimitForATimeHoldsAndFallsBackWithoutAWrite(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(12)
	require.Len(t, w.cycle(100), starterLimit)
	w.limit(8, admin.Term{For: aWhile})
	require.Len(t, w.cycle(100), 3)
	in := w.plan(100).DueIn
	require.Positive(t, in)
	require.LessOrEqual(t, in, aWhile)
	turns := one[int](w, `SELECT count(*) FROM sluice.turns WHERE kind = 'limits'`)
	require.Eventually(t, func() bool {
		return w.plan(100).DueIn == 0 && one[bool](w, `SELECT clock_timestamp() > until FROM sluice.temporary_limits`)
	}, patience, 5*time.Millisecond)
	require.Equal(t, turns, one[int](w, `SELECT count(*) FROM sluice.turns WHERE kind = 'limits'`))
	rows, err := w.app.Query(t.Context(), `SELECT id FROM sluice.running ORDER BY id`)
	require.NoError(t, err)
	held, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	require.Len(t, held, 8)
	w.end(held[:3]...)
	require.Zero(t, w.plan(100).Items, "it holds five still")
	w.end(held[3])
	require.Equal(t, 1, w.plan(100).Items)
}

func TestACutForATimeEndsByItself(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(12)
	w.limit(1, admin.Term{For: aWhile})
	require.Len(t, w.cycle(100), 1)
	require.Eventually(t, func() bool { w.cycle(100); return w.running() == starterLimit }, patience, 5*time.Millisecond)
	require.False(t, one[bool](w, `SELECT count(*) > 1 FROM sluice.running r CROSS JOIN sluice.temporary_limits l WHERE r.claimed_at < l.until`))
}

// A plan that was made while a limit held for a time is not claimed after it, however late its claim is.
func TestAPlanThatRestsOnALimitForATimeIsNotClaimedAfterIt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(12)
	w.limit(12, admin.Term{For: aWhile})
	require.Equal(t, 12, w.plan(100).Items)
	require.Eventually(t, func() bool { return one[bool](w, `SELECT clock_timestamp() > until FROM sluice.temporary_limits`) }, patience, time.Millisecond)
	require.Zero(t, w.claim().New)
	require.Len(t, w.cycle(100), starterLimit)

	record, err := operate.ReadRecord(t.Context(), w.app, time.Time{})
	require.NoError(t, err)
	limits := audit.NewLimits(record.Changes)
	end := one[time.Time](w, `SELECT until FROM sluice.temporary_limits`)
	for at, want := range map[time.Duration]int{-time.Millisecond: 12, 0: starterLimit, time.Hour: starterLimit} {
		lowest, highest, known := limits.Between(w.workspace, end.Add(at), end.Add(at))
		require.True(t, known)
		require.Equal(t, []int{want, want}, []int{lowest, highest}, at)
	}
}
