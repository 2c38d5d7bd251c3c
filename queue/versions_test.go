package queue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// Workflows are read once and remembered, and still each claim gets the one that it was claimed with, for as long as
// that exists.
func TestARememberedWorkflowIsThatOfTheVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	claims := func() map[uuid.UUID]queue.Claim {
		found, err := b.dispatcher.Undispatched(t.Context(), 10)
		require.NoError(t, err)
		byID := map[uuid.UUID]queue.Claim{}
		for _, c := range found {
			byID[c.ExecutionID] = c
		}
		return byID
	}
	first, also := b.enqueue(t, b.item()), b.enqueue(t, b.item())
	b.claim(t, 2)
	_, err := b.app.ApplyDefinition(t.Context(), b.workspace, graph("greet", 2), "ann")
	require.NoError(t, err)
	later := b.enqueue(t, b.item())
	b.claim(t, 1)
	for range 2 { // read, then remembered
		got := claims()
		require.Len(t, got, 3)
		for id, nodes := range map[uuid.UUID]int{first: 1, also: 1, later: 2} {
			stored := one[string](t, b.pool, `SELECT workflow::text FROM sluice.workflow_definition_versions WHERE id = $1`, got[id].VersionID)
			require.Equal(t, stored, string(got[id].Workflow))
			require.Equal(t, nodes, *got[id].VersionNumber)
		}
	}
	b.exec(t, `DELETE FROM sluice.workflow_definition_versions WHERE version_number = 1`)
	got := claims()
	require.Nil(t, got[first].VersionNumber, "it is gone, whatever is remembered of it")
	require.Nil(t, got[first].Workflow)
	require.NotNil(t, got[later].Workflow)
}
