package main

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/chaos/plan"
)

// Of each pause it is a violation when something is claimed of what it covers, and none when something else is.
func TestClaimsOfWhatIsPausedAreViolations(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	at, elsewhere := c.cast.places[0], c.cast.places[1]
	for _, kind := range pauseScopes {
		p := c.pausable(kind, at)
		require.NoError(t, c.pauseScope(t.Context(), p.of))
		var covered map[string]bool
		switch kind {
		case plan.PauseEverything:
			covered = map[string]bool{"type": true, "definition": true, "other": true, "elsewhere": true, "type elsewhere": true}
		case plan.PauseWorkspace:
			covered = map[string]bool{"type": true, "definition": true, "other": true}
		case plan.PauseType:
			covered = map[string]bool{"type": true, "type elsewhere": true}
		case plan.PauseWorkspaceType:
			covered = map[string]bool{"type": true}
		case plan.PauseDefinition:
			covered = map[string]bool{"definition": true}
		}
		for name, item := range map[string]struct {
			at   place
			runs string
		}{"type": {at, ownCompletes}, "definition": {at, nodeNoop}, "other": {at, nodeBlink}, "elsewhere": {elsewhere, nodeNoop}, "type elsewhere": {elsewhere, ownCompletes}} {
			ids, err := c.enqueueAll(t.Context(), item.at, item.runs, 1)
			require.NoError(t, err)
			require.Equal(t, covered[name], c.isPaused(t, ids[0]), "%s: %s: by the database", kind, name)
			from, err := c.clock(t.Context())
			require.NoError(t, err)
			c.claim(t, ids...)
			c.violations = nil
			require.NoError(t, c.judgeCut(t.Context(), promiseCuts, p.restriction, from, from.Add(time.Hour)))
			require.Equal(t, covered[name], len(c.violations) == 1, "%s: %s", kind, name)
		}
		require.NoError(t, c.resumeScope(t.Context(), p.of))
		pauses, err := c.office.Pauses(t.Context())
		require.NoError(t, err)
		require.Empty(t, pauses)
	}
}

func (c *chaos) isPaused(t *testing.T, id uuid.UUID) (paused bool) {
	t.Helper()
	require.NoError(t, c.pool.QueryRow(t.Context(), `
		SELECT EXISTS (SELECT FROM sluice.pauses_in_force x JOIN sluice.pending p ON p.id = $1
			WHERE (x.workspace_id = p.workspace_id) IS NOT FALSE AND (x.workflow_type = p.workflow_type OR x.workflow_definition_id = p.workflow_definition_id
			   OR x.workflow_type IS NULL AND x.workflow_definition_id IS NULL))`, id).Scan(&paused))
	return paused
}

func TestAPauseForATimeSaysWhenItEnds(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	before, err := c.clock(t.Context())
	require.NoError(t, err)
	scope := admin.Scope{WorkspaceID: c.cast.places[0].workspace}
	until, err := c.pauseUntil(t.Context(), scope, plan.Fault{Number: 7, For: time.Minute})
	require.NoError(t, err)
	require.WithinDuration(t, before.Add(time.Minute), until, 30*time.Second)
	pauses, err := c.office.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, pauses, 1)
	require.Equal(t, until, *pauses[0].Until)
}
