package facts_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

func TestWorkspacesShowTheirUsage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty, _ := b.newWorkspace(t, "zeta", "FREE")
	scheduled, definition := b.newWorkspace(t, "globex", "PRO")
	b.enqueue(t, item{scheduled, definition, 3, time.Hour})
	ids := b.enqueueN(t, 9)
	b.run(t, ids[:5]...)
	b.end(t, "COMPLETED", ids[0])
	b.end(t, "FAILED", ids[1])
	b.run(t, ids[5:7]...)
	b.cancel(t, ids[8])
	b.exec(t, `UPDATE sluice.pending SET available_at = available_at - interval '1 minute' WHERE id = $1`, ids[7])

	want := []facts.WorkspaceUsage{
		{ID: b.workspace, Name: "acme", Plan: "STARTER", Pending: 1, Running: 5, Limit: 5, Done: 2, Reason: new("at-capacity"), Refused: 1, NotSuccess: 1},
		{ID: scheduled, Name: "globex", Plan: "PRO", Pending: 1, Limit: 20, Reason: new("scheduled")},
		{ID: empty, Name: "zeta", Plan: "FREE", Limit: 2},
	}
	for _, ids := range [][]uuid.UUID{nil, {}, {b.workspace, empty, scheduled, uuid.New()}} {
		got, err := facts.Workspaces(t.Context(), b.pool, ids...)
		require.NoError(t, err)
		require.Greater(t, got[0].LongestMS, int64(60_000-1))
		got[0].LongestMS = 0
		require.Equal(t, want, got)
	}
	got, err := facts.Workspaces(t.Context(), b.pool, empty, uuid.New())
	require.NoError(t, err)
	require.Equal(t, want[2:], got)

	b.exec(t, `UPDATE sluice.running SET unserved_since = now() WHERE id = ANY ($1)`, ids[2:4])
	got, err = facts.Workspaces(t.Context(), b.pool, b.workspace)
	require.NoError(t, err)
	require.Equal(t, "unserved", *got[0].Reason)
	require.Equal(t, 2, got[0].Unserved)
}

// What keeps a workspace may be what others hold, also when it is asked for alone.
func TestAReasonMayLieWithOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace(t, "globex", "PRO")
	waiting := b.enqueue(t, item{other, definition, 3, 0})
	ids := b.enqueueN(t, 2)
	b.run(t, ids...)
	for limit, sql := range map[string]string{
		"global-limit": `UPDATE sluice.settings SET max_concurrent_workflows = 2`,
		"cohort-limit": `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 1`,
	} {
		b.exec(t, sql)
		got, err := facts.Workspaces(t.Context(), b.pool, other)
		require.NoError(t, err)
		require.Equal(t, limit, *got[0].Reason)
		waits, err := facts.Waits(t.Context(), b.pool, 0, waiting)
		require.NoError(t, err)
		require.EqualValues(t, limit, waits[waiting].Reason)
		b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = NULL`)
		b.exec(t, `UPDATE sluice.workspaces SET cohort = NULL, nominal_quota = NULL`)
	}
}

func TestActiveWorkspacesAreThoseThatNeedAWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	active := func() []uuid.UUID {
		ids, err := facts.ActiveWorkspaces(t.Context(), b.pool)
		require.NoError(t, err)
		return ids
	}
	later, definition := b.newWorkspace(t, "globex", "PRO")
	b.enqueue(t, item{later, definition, 1, time.Hour})
	require.Empty(t, active(), "neither an empty one nor one whose work is hours away")
	b.enqueue(t, item{later, definition, 4, 4 * time.Second})
	require.Equal(t, []uuid.UUID{later}, active(), "it is about to")
	id := b.enqueue(t, b.item())
	b.run(t, id)
	require.ElementsMatch(t, []uuid.UUID{later, b.workspace}, active())
	b.end(t, "COMPLETED", id)
	require.Equal(t, []uuid.UUID{later}, active())
}
