package facts_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

func TestOverdueItemsAreThoseThatCouldStart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	full, definition := b.newWorkspace(t, "full", "FREE")
	b.setLimit(t, "FREE", 0)
	b.enqueue(t, item{full, definition, 3, 0})
	ids := b.enqueueN(t, 8)
	b.claim(t, ids[:3]...)
	b.enqueue(t, item{b.workspace, b.definition, 1, time.Hour})
	first := b.enqueue(t, item{b.workspace, b.definition, 1, 0})

	none, err := facts.Overdue(t.Context(), b.pool, time.Hour)
	require.NoError(t, err)
	require.Empty(t, none, "nothing has waited so long")
	items, err := facts.Overdue(t.Context(), b.pool, 0)
	require.NoError(t, err)
	var overdue []uuid.UUID
	for _, item := range items {
		require.Equal(t, b.workspace, item.WorkspaceID)
		overdue = append(overdue, item.ID)
	}
	require.ElementsMatch(t, []uuid.UUID{first, ids[3]}, overdue, "two slots are free")
	for most, want := range map[int]int64{100: 7, 3: 3} {
		ready, err := facts.Ready(t.Context(), b.pool, most)
		require.NoError(t, err)
		require.Equal(t, want, ready)
	}
}

func TestNowIsTheDatabasesClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now, err := facts.Now(t.Context(), b.pool)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), now, time.Minute)
}
