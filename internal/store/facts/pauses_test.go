package facts_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/store/facts"
)

// pausedFirst has three items of one definition wait before three of another, for longer than an audit's grace.
func pausedFirst(t *testing.T) (b *bundle, first, second []uuid.UUID, of uuid.UUID) {
	t.Helper()
	b = setup(t)
	of = one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'bill') RETURNING id`, b.workspace)
	for range 3 {
		first = append(first, b.enqueue(t, item{b.workspace, of, 1, 0}))
	}
	for range 3 {
		second = append(second, b.enqueue(t, b.item()))
	}
	b.exec(t, `UPDATE sluice.pending SET available_at = available_at - interval '1 hour'`)
	b.setLimit(t, "STARTER", 2)
	return b, first, second, of
}

func (b *bundle) pause(t *testing.T, workspace, kind, definition any) {
	t.Helper()
	b.exec(t, `INSERT INTO sluice.pauses (workspace_id, workflow_type, workflow_definition_id, actor, reason) VALUES ($1, $2, $3, 'ann', 'deploy')`, workspace, kind, definition)
}

func TestItemsOfAPausedDefinitionSaySoAndCountForNoOthers(t *testing.T) {
	t.Parallel()
	b, first, second, of := pausedFirst(t)
	b.pause(t, nil, nil, of)
	b.pause(t, nil, "Ship", nil)
	waits, err := facts.Waits(t.Context(), b.pool, facts.MostPlaces, append(first, second...)...)
	require.NoError(t, err)
	for _, id := range first {
		require.Equal(t, admission.Paused, waits[id].Reason)
		require.Equal(t, "ann", waits[id].Pause.Actor)
		require.Equal(t, "deploy", waits[id].Pause.Reason)
		require.WithinDuration(t, time.Now(), waits[id].Pause.Since, time.Minute)
	}
	require.Equal(t, []facts.Wait{{Place: 1}, {Place: 2}, {Place: 3, Reason: admission.BehindPriority}},
		[]facts.Wait{waits[second[0]], waits[second[1]], waits[second[2]]})
	overdue, err := facts.Overdue(t.Context(), b.pool, time.Minute)
	require.NoError(t, err)
	require.Len(t, overdue, 2)
	for _, o := range overdue {
		require.Contains(t, second, o.ID)
	}
	list, err := facts.Workspaces(t.Context(), b.pool, b.workspace)
	require.NoError(t, err)
	require.Nil(t, list[0].Reason, "its other items start")

	b.cancel(t, second...)
	list, err = facts.Workspaces(t.Context(), b.pool)
	require.NoError(t, err)
	require.Equal(t, "paused", *list[0].Reason, "nothing else is ready")
	overdue, err = facts.Overdue(t.Context(), b.pool, time.Minute)
	require.NoError(t, err)
	require.Empty(t, overdue)
}

func TestAPausedWorkspaceIsNeverOverdue(t *testing.T) {
	t.Parallel()
	for _, everything := range []bool{false, true} {
		b, first, _, _ := pausedFirst(t)
		if everything {
			b.pause(t, nil, nil, nil)
		} else {
			b.pause(t, b.workspace, nil, nil)
		}
		overdue, err := facts.Overdue(t.Context(), b.pool, time.Minute)
		require.NoError(t, err)
		require.Empty(t, overdue)
		waits, err := facts.Waits(t.Context(), b.pool, 0, first[0])
		require.NoError(t, err)
		require.Equal(t, admission.Paused, waits[first[0]].Reason)
		b.exec(t, `UPDATE sluice.pauses SET until = now() - interval '1 second'`)
		overdue, err = facts.Overdue(t.Context(), b.pool, time.Minute)
		require.NoError(t, err)
		require.Len(t, overdue, 2, "it is over")
	}
}
