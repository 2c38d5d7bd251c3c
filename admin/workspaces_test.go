package admin_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/admin"
)

func TestCreateWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, err := b.office.CreateWorkspace(t.Context(), "  globex ", "pro", "ann")
	require.NoError(t, err)
	require.Equal(t, admin.Workspace{ID: got.ID, Name: "globex", Plan: "PRO"}, got)
	require.Equal(t, got.ID, one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workspaces WHERE name = 'globex' AND plan = 'PRO'`))
	require.Equal(t, "ann", one[string](t, b.pool, `SELECT actor FROM sluice.activity WHERE action = 'workspace-created' AND workspace_id = $1`, got.ID))
	again, err := b.office.CreateWorkspace(t.Context(), "globex", "pro", "ann")
	require.NoError(t, err)
	require.NotEqual(t, got.ID, again.ID, "a name need not be unique")
	for _, name := range []string{" ", "nul\x00"} {
		_, err = b.office.CreateWorkspace(t.Context(), name, "PRO", "ann")
		require.ErrorIs(t, err, admin.ErrInvalid)
	}
}

// With one connection in the pool, a question asked from inside the transaction would never be answered.
func TestAnUnknownPlanIsAnsweredWithThoseThereAre(t *testing.T) {
	t.Parallel()
	b := setup(t)
	single := admin.New(b.open(t, 1))
	_, created := single.CreateWorkspace(t.Context(), "globex", "GOLD", "ann")
	_, ensured := single.EnsureWorkspace(t.Context(), "globex", "GOLD", "ann")
	_, moved := single.SetPlan(t.Context(), b.workspace, "gold", "ann")
	for _, err := range []error{created, ensured, moved} {
		require.ErrorIs(t, err, admin.ErrUnknownPlan)
		require.ErrorContains(t, err, `unknown plan "GOLD" (plans are FREE, STARTER, PRO, ENTERPRISE)`)
	}
	require.Equal(t, []string{"acme STARTER"}, list[string](t, b.pool, `SELECT name || ' ' || plan FROM sluice.workspaces`))
}

func TestEnsureWorkspaceCreatesOneAndThenReturnsIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, err := b.office.EnsureWorkspace(t.Context(), " acme ", "PRO", "shop")
	require.NoError(t, err)
	require.Equal(t, admin.Workspace{ID: b.workspace, Name: "acme", Plan: "STARTER"}, got, "its plan stays what it is")
	got, err = b.office.EnsureWorkspace(t.Context(), "globex", "PRO", "shop")
	require.NoError(t, err)
	require.Equal(t, "PRO", got.Plan)
	again, err := b.office.EnsureWorkspace(t.Context(), "globex", "FREE", "shop")
	require.NoError(t, err)
	require.Equal(t, got, again)
	_, err = b.office.EnsureWorkspace(t.Context(), "", "PRO", "shop")
	require.ErrorIs(t, err, admin.ErrInvalid)
	b.newWorkspace(t, "globex", "PRO")
	_, err = b.office.EnsureWorkspace(t.Context(), "globex", "PRO", "shop")
	require.ErrorIs(t, err, admin.ErrInvalid)
	require.ErrorContains(t, err, `there are 2 workspaces named "globex", `+got.ID.String())
}

func TestConcurrentCallersOfEnsureWorkspaceGetOneWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := make([]admin.Workspace, 16)
	var group errgroup.Group
	for n := range got {
		group.Go(func() (err error) {
			got[n], err = b.office.EnsureWorkspace(t.Context(), "globex", "PRO", "shop")
			return err
		})
	}
	require.NoError(t, group.Wait())
	want := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workspaces WHERE name = 'globex'`)
	for _, w := range got {
		require.Equal(t, want, w.ID)
	}
}

func TestSetPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, before := b.turns(t, 0)
	got, err := b.office.SetPlan(t.Context(), b.workspace, "pro", "ann")
	require.NoError(t, err)
	require.Equal(t, admin.Workspace{ID: b.workspace, Name: "acme", Plan: "PRO"}, got)
	require.Equal(t, 20, one[int](t, b.pool, `SELECT ceiling FROM sluice.quotas WHERE workspace_id = $1`, b.workspace))
	require.Equal(t, "ann", one[string](t, b.pool, `SELECT actor FROM sluice.activity WHERE action = 'plan-changed'`))
	taken, _ := b.turns(t, before)
	require.Equal(t, []string{"0 limits"}, taken, "no claim that was planned before it succeeds")
	_, err = b.office.SetPlan(t.Context(), uuid.New(), "PRO", "ann")
	require.ErrorIs(t, err, admin.ErrUnknownWorkspace)
}

// A platform's own ids and keys are taken, and both name the workspace; the key first.
func TestAWorkspaceHasAnIDAndAKeyOfThePlatform(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	created, err := b.office.AddWorkspace(t.Context(), admin.NewWorkspace{Name: "Globex", ID: id, ExternalKey: "globex"}, "ann")
	require.NoError(t, err)
	require.Equal(t, admin.Workspace{ID: id, Name: "Globex", Plan: "FREE", ExternalKey: new("globex")}, created)
	for _, name := range []string{id.String(), "globex"} {
		found, err := b.office.Workspace(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, created, found)
	}
	_, err = b.office.Workspace(t.Context(), "nobody")
	require.ErrorIs(t, err, admin.ErrUnknownWorkspace)
	for want, w := range map[string]admin.NewWorkspace{
		"there is a workspace of this id already": {Name: "x", ID: id},
		"another workspace has this key already":  {Name: "x", ExternalKey: "globex"},
		"the workspace's key must not":            {Name: "x", ExternalKey: " "},
	} {
		_, err := b.office.AddWorkspace(t.Context(), w, "ann")
		require.ErrorIs(t, err, admin.ErrInvalid)
		require.ErrorContains(t, err, want)
	}

	set, err := b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{ExternalKey: &admin.Change[string]{To: new(id.String())}}, "ann")
	require.NoError(t, err)
	require.Equal(t, id.String(), *set.ExternalKey)
	found, err := b.office.Workspace(t.Context(), id.String())
	require.NoError(t, err)
	require.Equal(t, b.workspace, found.ID, "a key may look like an id")
	_, err = b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{ExternalKey: &admin.Change[string]{To: new("globex")}}, "ann")
	require.ErrorIs(t, err, admin.ErrInvalid)
	set, err = b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{ExternalKey: &admin.Change[string]{}}, "ann")
	require.NoError(t, err)
	require.Nil(t, set.ExternalKey)
	require.Equal(t, 2, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'external-key-changed' AND actor = 'ann'`))
}
