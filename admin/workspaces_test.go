package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/admin"
	"sluice/queue"
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

func TestEnsureWorkspaceWithAKeyReturnsTheWorkspaceThatHasIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ensure := func(name, key string) (admin.Workspace, error) {
		return b.office.EnsureWorkspace(t.Context(), name, "PRO", "shop", admin.WithKey(key))
	}
	given, err := ensure("acme", "acme-1")
	require.NoError(t, err)
	require.Equal(t, admin.Workspace{ID: b.workspace, Name: "acme", Plan: "STARTER", ExternalKey: new("acme-1")}, given, "the one of the name had no key")
	require.Equal(t, []string{"shop acme-1"}, list[string](t, b.pool, `SELECT actor || ' ' || (details ->> 'externalKey') FROM sluice.activity WHERE action = 'external-key-changed'`))
	renamed, err := ensure("Acme Inc.", "acme-1")
	require.NoError(t, err)
	require.Equal(t, given, renamed, "whatever its name")
	second, err := ensure("acme", "acme-2")
	require.NoError(t, err)
	require.NotEqual(t, given.ID, second.ID, "one that has another key is another workspace")
	require.Equal(t, "acme-2", *second.ExternalKey)

	b.exec(t, `UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	created := one[uuid.UUID](t, b.pool, `SELECT sluice.workspace('globex')`)
	met, err := ensure("Globex", "globex")
	require.NoError(t, err)
	require.Equal(t, created, met.ID, "its first item has created it")
	byName, err := b.office.EnsureWorkspace(t.Context(), "globex", "PRO", "shop")
	require.NoError(t, err)
	require.Equal(t, created, byName.ID)

	added, err := b.office.CreateWorkspace(t.Context(), "initech", "PRO", "ann", admin.WithKey("initech"))
	require.NoError(t, err)
	require.Equal(t, "initech", *added.ExternalKey)
	_, err = ensure("acme", " ")
	require.ErrorIs(t, err, admin.ErrInvalid)
	for range 2 {
		b.newWorkspace(t, "hooli", "PRO")
	}
	_, err = ensure("hooli", "hooli")
	require.ErrorContains(t, err, `there are 2 workspaces named "hooli", `)
}

// Those who are to set the key up under different names, and the first items of the workspace, hold one another up by nothing but the key.
func TestOneWorkspaceGetsAKeyHoweverManyEnsureItAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	var group errgroup.Group
	for n := range 16 {
		group.Go(func() error {
			if n%4 == 0 {
				_, err := b.pool.Exec(t.Context(), `SELECT sluice.workspace('globex')`)
				return err
			}
			_, err := b.office.EnsureWorkspace(t.Context(), []string{"globex", "Globex", "acme"}[n%3], "PRO", "shop", admin.WithKey("globex"))
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.workspaces WHERE external_key = 'globex'`))
}

func TestAKeyThatNoWorkspaceHasIsAnsweredWithWhatAKeyIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const remedy = `unknown workspace "acme" (no workspace has this key or id; a name is no key: starter workspace set ID --key acme)`
	_, err := b.office.Workspace(t.Context(), "acme")
	require.ErrorContains(t, err, remedy)
	_, err = queue.New(b.pool).Workspace(t.Context(), "acme")
	require.ErrorContains(t, err, remedy)
	_, err = b.office.Workspace(t.Context(), "acme\n; rm -r x")
	require.ErrorContains(t, err, "--key KEY")
	_, err = b.office.Workspace(t.Context(), uuid.NewString())
	require.ErrorContains(t, err, "list them with: starter workspace list")
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

// A role that may only connect can take an advisory lock of any number, and keep it. A lock under this name must hold up nothing.
func TestEnsureWorkspaceWaitsOnlyForThoseWhoMayChangeWorkspaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn, err := b.pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `SELECT pg_advisory_lock(5358, hashtext('globex'))`)
	require.NoError(t, err)
	defer func() { _ = conn.Conn().Close(context.WithoutCancel(t.Context())) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = b.office.EnsureWorkspace(ctx, "globex", "PRO", "shop")
	require.NoError(t, err)
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

// A platform's own ids and keys are taken, and both name the workspace. What is addressed to an id reaches no other workspace by its key.
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
		"must not read as the id of a workspace":  {Name: "x", ExternalKey: id.String()},
	} {
		_, err := b.office.AddWorkspace(t.Context(), w, "ann")
		require.ErrorIs(t, err, admin.ErrInvalid)
		require.ErrorContains(t, err, want)
	}

	_, err = b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{ExternalKey: &admin.Change[string]{To: new(id.String())}}, "ann")
	require.ErrorIs(t, err, admin.ErrInvalid)
	require.ErrorContains(t, err, "must not read as the id of a workspace")
	// Where an older version has let it in, the id goes first.
	_, err = b.pool.Exec(t.Context(), `ALTER TABLE sluice.workspaces DISABLE TRIGGER key_is_no_id`)
	require.NoError(t, err)
	_, err = b.pool.Exec(t.Context(), `UPDATE sluice.workspaces SET external_key = $2 WHERE id = $1`, b.workspace, id.String())
	require.NoError(t, err)
	_, err = b.pool.Exec(t.Context(), `ALTER TABLE sluice.workspaces ENABLE TRIGGER key_is_no_id`)
	require.NoError(t, err)
	found, err := b.office.Workspace(t.Context(), id.String())
	require.NoError(t, err)
	require.Equal(t, id, found.ID)
	set, err := b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{Weight: &admin.Change[int]{To: new(2)}}, "ann")
	require.NoError(t, err, "it can be changed all the same")
	require.Equal(t, id.String(), *set.ExternalKey)
	set, err = b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{ExternalKey: &admin.Change[string]{To: new("initech")}}, "ann")
	require.NoError(t, err)
	require.Equal(t, "initech", *set.ExternalKey)
	_, err = b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{ExternalKey: &admin.Change[string]{To: new("globex")}}, "ann")
	require.ErrorIs(t, err, admin.ErrInvalid)
	set, err = b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{ExternalKey: &admin.Change[string]{}}, "ann")
	require.NoError(t, err)
	require.Nil(t, set.ExternalKey)
	require.Equal(t, 2, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'external-key-changed' AND actor = 'ann'`))
}
