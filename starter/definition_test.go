package main

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestADefinitionIsDeletedAfterAPreviewAndAYes(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, definition := c.workspace()
	c.ok("enqueue", "--workspace", workspace, "--definition", definition)
	preview := c.run("definition", "delete", definition)
	require.Equal(t, exitUsage, preview.code)
	require.Contains(t, preview.stderr, "(greet) has 1 items that wait, which would end FAILED, and 0 that run: to delete it, say --yes")
	require.Contains(t, c.ok("definition", "list"), definition, "nothing was done")
	require.Contains(t, c.ok("definition", "delete", definition, "--yes"), "definition greet deleted, which was at version 1: "+definition)
	require.NotContains(t, c.ok("definition", "list"), definition)
	for _, id := range []string{definition, uuid.NewString()} {
		for _, yes := range []string{"--yes", "--yes=false"} {
			gone := c.run("definition", "delete", id, yes)
			require.Equal(t, exitUsage, gone.code)
			require.Contains(t, gone.stderr, "unknown workflow definition "+id)
		}
	}
}
