package admin_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/admin"
	"sluice/internal/definition"
)

func TestApplyAddsAVersionOnlyForAChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	apply := func(raw []byte) admin.Definition {
		t.Helper()
		got, err := b.office.ApplyDefinition(t.Context(), b.workspace, raw, "ann")
		require.NoError(t, err)
		require.Equal(t, b.definition, got.ID)
		return got
	}
	_, before := b.turns(t, 0)
	first := apply(graph("greet", 1))
	require.Equal(t, admin.Definition{ID: b.definition, WorkspaceID: b.workspace, Name: "greet", Version: 1, Nodes: 1, UpdatedAt: first.UpdatedAt}, first)
	require.Equal(t, first, apply(append([]byte("\n\t"), graph("greet", 1)...)), "white space is no change")
	taken, _ := b.turns(t, before)
	require.Empty(t, taken)
	second := apply(graph("greet", 2))
	require.Equal(t, 2, second.Version)
	require.Equal(t, 2, second.Nodes)
	taken, _ = b.turns(t, before)
	require.Equal(t, []string{"0 definitions"}, taken, "the dispatcher hears of a new version")
	require.Equal(t, 3, apply(graph("greet", 1)).Version, "going back is a change too")
	require.Equal(t, []string{"1", "2", "3"}, list[string](t, b.pool, `SELECT details ->> 'version' FROM sluice.activity
		WHERE action = 'definition-applied' AND actor = 'ann' AND workspace_id = $1 ORDER BY at`, b.workspace))

	other, err := b.office.ApplyDefinition(t.Context(), b.workspace, graph("bill", 4), "ann")
	require.NoError(t, err)
	require.NotEqual(t, b.definition, other.ID)
	globex, _ := b.newWorkspace(t, "globex", "FREE")
	got, err := b.office.Definitions(t.Context(), admin.DefinitionFilter{WorkspaceID: b.workspace})
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, other, got[0], "by name")
	require.Equal(t, 3, got[1].Version)
	require.Equal(t, 1, got[1].Nodes)
	all, err := b.office.Definitions(t.Context(), admin.DefinitionFilter{})
	require.NoError(t, err)
	require.Len(t, all, 3)
	theirs, err := b.office.Definitions(t.Context(), admin.DefinitionFilter{WorkspaceID: globex})
	require.NoError(t, err)
	require.Len(t, theirs, 1)
	require.Equal(t, []int{1, 2, 3, 1}, list[int](t, b.pool, `SELECT v.version_number FROM sluice.workflow_definition_versions v
		JOIN sluice.workflow_definitions d ON d.id = v.workflow_definition_id WHERE d.workspace_id = $1 ORDER BY d.name DESC, 1`, b.workspace))
}

func TestADefinitionIsDeletedWithItsVersionsAndNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	greet, err := b.office.ApplyDefinition(t.Context(), b.workspace, graph("greet", 2), "ann")
	require.NoError(t, err)
	bill, err := b.office.ApplyDefinition(t.Context(), b.workspace, graph("bill", 1), "ann")
	require.NoError(t, err)
	_, before := b.turns(t, 0)
	gone, err := b.office.DeleteDefinition(t.Context(), greet.ID, "ann")
	require.NoError(t, err)
	require.Equal(t, greet, gone)
	taken, _ := b.turns(t, before)
	require.Equal(t, []string{"0 definitions"}, taken, "the dispatcher hears of it")
	require.Equal(t, []uuid.UUID{bill.ID}, list[uuid.UUID](t, b.pool, `SELECT workflow_definition_id FROM sluice.workflow_definition_versions v
		JOIN sluice.workflow_definitions d ON d.id = v.workflow_definition_id WHERE d.workspace_id = $1`, b.workspace))
	require.Equal(t, []string{"greet 2 " + greet.ID.String()}, list[string](t, b.pool, `SELECT concat_ws(' ', details ->> 'definition', details ->> 'version', details ->> 'definitionId')
		FROM sluice.activity WHERE action = 'definition-deleted' AND actor = 'ann' AND workspace_id = $1`, b.workspace))
	_, err = b.office.DeleteDefinition(t.Context(), greet.ID, "ann")
	require.ErrorIs(t, err, admin.ErrUnknownDefinition)
	again, err := b.office.ApplyDefinition(t.Context(), b.workspace, graph("greet", 2), "ann")
	require.NoError(t, err)
	require.NotEqual(t, greet.ID, again.ID, "its name is free")
	require.Equal(t, 1, again.Version)
}

// Some apply a definition while others delete it: each finds it, or does not.
func TestDefinitionsAreAppliedAndDeletedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var deleted atomic.Int64
	var group errgroup.Group
	for n := range 4 {
		group.Go(func() error {
			for version := range 20 {
				applied, err := b.office.ApplyDefinition(t.Context(), b.workspace, graph("bill", 1+(n+version)%3), "ann")
				if err != nil {
					return err
				}
				_, err = b.office.DeleteDefinition(t.Context(), applied.ID, "ann")
				if err == nil {
					deleted.Add(1)
				} else if !errors.Is(err, admin.ErrUnknownDefinition) {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.workflow_definitions WHERE workspace_id = $1`, b.workspace), "all but that of the setup")
	require.EqualValues(t, deleted.Load(), one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'definition-deleted'`), "each is deleted once")
}

// A version is kept as it was written, and makes the same graph when it is read back.
func TestNamesOfNodesSurviveTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := []byte(`{"name": "order", "nodes": [{"name": "pay", "type": "noop", "needs": ["reserve"]}, {"name": "reserve", "type": "noop"}]}`)
	applied, err := b.office.ApplyDefinition(t.Context(), b.workspace, file, "ann")
	require.NoError(t, err)
	require.Equal(t, 2, applied.Nodes)
	want, err := definition.Parse(file)
	require.NoError(t, err)
	got, err := definition.ParseVersion(one[[]byte](t, b.pool, `SELECT workflow FROM sluice.workflow_definition_versions WHERE workflow_definition_id = $1`, applied.ID), "order")
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = b.office.ApplyDefinition(t.Context(), b.workspace, []byte(`{"name": "order", "nodes": [{"name": "pay", "type": "noop", "needs": ["pack"]}]}`), "ann")
	require.ErrorIs(t, err, admin.ErrInvalid)
	require.ErrorContains(t, err, `node pay: needs "pack", which is no node of this definition`)
}

func TestApplyRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.office.ApplyDefinition(t.Context(), uuid.New(), graph("greet", 1), "ann")
	require.ErrorIs(t, err, admin.ErrUnknownWorkspace)
	for name, raw := range map[string]string{
		"no JSON": `{`, "nothing in it": `{}`, "a bracket too many": string(graph("greet", 1)) + "}",
		"a NUL": `{"name": "a\u0000", "nodes": [{"name": "a", "type": "noop"}]}`,
	} {
		_, err := b.office.ApplyDefinition(t.Context(), b.workspace, []byte(raw), "ann")
		require.ErrorIs(t, err, admin.ErrInvalid, name)
	}
	_, err = b.office.ApplyDefinition(t.Context(), b.workspace, []byte(`{"name": "", "nodes": [], "timeout": "-1s"}`), "ann")
	require.ErrorContains(t, err, "name is missing")
	require.ErrorContains(t, err, "nodes is empty")
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.workflow_definitions`))
}

func TestApplyRefusesNodesThatReachForWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, _ := b.newWorkspace(t, "globex", "FREE")
	apply := func(kind, config string) error {
		_, err := b.office.ApplyDefinition(t.Context(), b.workspace, []byte(`{"name": "x", "nodes": [{"name": "step", "type": "`+kind+`", "config": `+config+`}]}`), "mallory")
		return err
	}
	for config, want := range map[string]string{
		`{"workflowType": "Execution", "timeout": "30s", "input": {"executionId": "` + uuid.NewString() + `"}}`: "type of Sluice itself",
		`{"workflowType": "Dispatcher", "taskQueue": "workflows.default", "input": {}}`:                         "type of Sluice itself",
		`{"workflowType": "Bill", "taskQueue": "workflows.default"}`:                                            "Sluice's own",
		`{"workflowType": "Bill", "taskQueue": "workflow.workspace.` + other.String() + `"}`:                    "is not this workspace's",
		`{"workflowType": "Bill", "taskQueue": "/_sys/x"}`:                                                      "Temporal reserves",
		`{"workflowType": "Bill", "retry": {"maximumInterval": "500ms"}}`:                                       "maximumInterval 500ms",
	} {
		err := apply("workflow", config)
		require.ErrorIs(t, err, admin.ErrInvalid, config)
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, apply("http", `{"url": "http://a", "retry": {"initialInterval": "2562047h"}}`), "got 2562047h0m0s")
	require.NoError(t, apply("workflow", `{"workflowType": "Bill", "taskQueue": "workflow.workspace.`+b.workspace.String()+`"}`))
	_, err := b.office.Set(t.Context(), admin.SettingsChange{TaskQueue: new("tenant-{workspace}")}, "ann")
	require.NoError(t, err)
	err = apply("workflow", `{"workflowType": "Bill", "taskQueue": "tenant-`+other.String()+`"}`)
	require.ErrorIs(t, err, admin.ErrInvalid)
	require.ErrorContains(t, err, "is another workspace's")
	require.NoError(t, apply("workflow", `{"workflowType": "Bill", "taskQueue": "tenant-`+b.workspace.String()+`"}`))
}

func TestConcurrentAppliesGetConsecutiveVersions(t *testing.T) {
	t.Parallel()
	const applies = 12
	b := setup(t)
	versions := make([]int, applies)
	var group errgroup.Group
	for n := range applies {
		group.Go(func() error {
			got, err := b.office.ApplyDefinition(t.Context(), b.workspace, graph("new", n+1), "ann")
			versions[n] = got.Version
			return err
		})
	}
	require.NoError(t, group.Wait())
	slices.Sort(versions)
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, versions)
	require.Equal(t, applies, one[int](t, b.pool, `SELECT version_number FROM sluice.workflow_definitions WHERE name = 'new'`))
}
