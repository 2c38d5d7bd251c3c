package admin_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/admin"
	"sluice/internal/bounds"
)

// define gives a workspace so many definitions.
func (b *bundle) define(t *testing.T, workspace uuid.UUID, definitions int) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), `WITH made AS (
			INSERT INTO sluice.workflow_definitions (workspace_id, name)
			SELECT $1, 'made ' || lpad(n::text, 4, '0') FROM generate_series(1, $2 - (SELECT count(*) FROM sluice.workflow_definitions d WHERE d.workspace_id = $1)::int) AS n RETURNING id
		) INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT id, 1, $3 FROM made`, workspace, definitions, graph("made", 1))
	require.NoError(t, err)
}

func TestAWorkspaceThatHasAsManyDefinitionsAsItMayGetsNoMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.define(t, b.workspace, bounds.MaxDefinitions-1)
	errs := make([]error, 8)
	var group errgroup.Group
	for n := range errs {
		group.Go(func() error {
			_, errs[n] = b.office.ApplyDefinition(t.Context(), b.workspace, graph(string(rune('a'+n)), 1), "ann")
			return nil
		})
	}
	require.NoError(t, group.Wait())
	refused := 0
	for _, err := range errs {
		if err != nil {
			refused++
			require.ErrorIs(t, err, admin.ErrTooManyDefinitions)
			require.ErrorContains(t, err, "the workspace has 1000 definitions, and may have no more")
		}
	}
	require.Equal(t, len(errs)-1, refused, "of those that come at once one is the last")
	require.Equal(t, bounds.MaxDefinitions, one[int](t, b.pool, `SELECT count(*) FROM sluice.workflow_definitions WHERE workspace_id = $1`, b.workspace))

	applied, err := b.office.ApplyDefinition(t.Context(), b.workspace, graph("greet", 2), "ann")
	require.NoError(t, err, "what is there gets new versions")
	require.Equal(t, 2, applied.Version)
	globex, _ := b.newWorkspace(t, "globex", "FREE")
	_, err = b.office.ApplyDefinition(t.Context(), globex, graph("bill", 1), "ann")
	require.NoError(t, err, "each workspace has its own")
	_, err = b.office.DeleteDefinition(t.Context(), b.definition, "ann")
	require.NoError(t, err)
	_, err = b.office.ApplyDefinition(t.Context(), b.workspace, graph("new", 1), "ann")
	require.NoError(t, err, "in the place of one that was deleted")
}

func TestOldVersionsGoThatNoExecutionRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.pool.Exec(t.Context(), `WITH older AS (
			INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT $1, n, $2 FROM generate_series(2, $3::int) AS n
		) UPDATE sluice.workflow_definitions SET version_number = $3 WHERE id = $1`, b.definition, graph("greet", 1), bounds.KeptVersions+3)
	require.NoError(t, err)
	runs := func(version int) {
		_, err := b.pool.Exec(t.Context(), `INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_version_id, priority, attempt_count, turn, created_at, available_at, claimed_at, trigger_type, enqueued_by)
			SELECT gen_random_uuid(), $1, $2, v.id, 3, 0, 1, now(), now(), now(), 'x', 'shop' FROM sluice.workflow_definition_versions v WHERE v.workflow_definition_id = $2 AND v.version_number = $3`,
			b.workspace, b.definition, version)
		require.NoError(t, err)
	}
	runs(2)
	applied, err := b.office.ApplyDefinition(t.Context(), b.workspace, graph("greet", 2), "ann")
	require.NoError(t, err)
	require.Equal(t, bounds.KeptVersions+4, applied.Version)
	versions := list[int](t, b.pool, `SELECT version_number FROM sluice.workflow_definition_versions WHERE workflow_definition_id = $1 ORDER BY 1`, b.definition)
	require.Len(t, versions, bounds.KeptVersions+1)
	require.Equal(t, []int{2, 5, 6}, versions[:3], "one that still runs stays, and the newest")

	_, err = b.pool.Exec(t.Context(), `DELETE FROM sluice.running`)
	require.NoError(t, err)
	_, err = b.office.ApplyDefinition(t.Context(), b.workspace, graph("greet", 2), "ann")
	require.NoError(t, err)
	applied, err = b.office.ApplyDefinition(t.Context(), b.workspace, graph("greet", 3), "ann")
	require.NoError(t, err)
	require.Equal(t, bounds.KeptVersions+5, applied.Version)
	require.Equal(t, []int{6, bounds.KeptVersions + 5, bounds.KeptVersions}, one[[]int](t, b.pool, `SELECT ARRAY[min(version_number), max(version_number), count(*)::int]
		FROM sluice.workflow_definition_versions WHERE workflow_definition_id = $1`, b.definition))
}

func TestDefinitionsAreListedInPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.define(t, b.workspace, 120)
	globex, _ := b.newWorkspace(t, "globex", "FREE")
	b.define(t, globex, 3)
	for name, workspace := range map[string]uuid.UUID{"of a workspace": b.workspace, "of all": uuid.Nil} {
		want := list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workflow_definitions WHERE $1::uuid IN (workspace_id, '00000000-0000-0000-0000-000000000000') ORDER BY workspace_id, name`, workspace)
		var got []uuid.UUID
		f := admin.DefinitionFilter{WorkspaceID: workspace}
		for {
			page, err := b.office.Definitions(t.Context(), f)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), 50)
			for _, d := range page {
				got = append(got, d.ID)
			}
			if len(page) == 0 {
				break
			}
			f.After = page[len(page)-1].ID
		}
		require.Equal(t, want, got, name)
	}
	short, err := b.office.Definitions(t.Context(), admin.DefinitionFilter{Limit: 2})
	require.NoError(t, err)
	require.Len(t, short, 2)
	for name, f := range map[string]admin.DefinitionFilter{
		"one that is not there":   {After: uuid.New()},
		"another workspace's one": {After: b.definition, WorkspaceID: globex},
	} {
		_, err := b.office.Definitions(t.Context(), f)
		require.ErrorIs(t, err, admin.ErrUnknownDefinition, name)
	}
}
