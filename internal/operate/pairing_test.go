package operate_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/operate"
	"sluice/internal/operate/operatetest"
	"sluice/internal/pairing"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

func startAll(t *testing.T, c client.Client, namespace string, d *database, o operate.StartOptions) error {
	t.Helper()
	o.Actor = actor
	_, err := operate.StartAll(t.Context(), c, namespace, d.pool, o)
	return err
}

// paired tells whether a worker of this database and namespace would poll.
func paired(t *testing.T, c client.Client, d *database) bool {
	t.Helper()
	return pairing.Check(t.Context(), c, d.pool) == nil
}

func TestTheFirstStartPairsDatabaseAndNamespace(t *testing.T) {
	t.Parallel()
	a, namespaceA := dial(t)
	b, namespaceB := dial(t)
	one, two := newDatabase(t), newDatabase(t)
	require.False(t, paired(t, a, one))
	require.NoError(t, startAll(t, a, namespaceA, one, operate.StartOptions{}))
	require.True(t, paired(t, a, one))
	require.NoError(t, startAll(t, a, namespaceA, one, operate.StartOptions{}), "again")

	err := startAll(t, b, namespaceB, one, operate.StartOptions{})
	require.ErrorIs(t, err, pairing.ErrOtherNamespace)
	require.ErrorContains(t, err, namespaceA)
	require.ErrorContains(t, err, namespaceB)
	require.Empty(t, openShards(t, b))
	_, err = pairing.Verify(t.Context(), b, namespaceB, one.pool)
	require.ErrorIs(t, err, pairing.ErrOtherNamespace)

	err = startAll(t, a, namespaceA, two, operate.StartOptions{})
	require.ErrorIs(t, err, pairing.ErrOtherDatabase)
	require.ErrorContains(t, err, one.name())
	require.ErrorContains(t, err, two.name())
	require.False(t, paired(t, a, two))
	require.NoError(t, startAll(t, b, namespaceB, two, operate.StartOptions{}), "nothing was noted by the refusal")

	// A stop changes nothing about that.
	require.NoError(t, a.TerminateWorkflow(t.Context(), workflows.DispatcherID, "", "to stop"))
	require.True(t, paired(t, a, one))
	require.ErrorIs(t, startAll(t, a, namespaceA, two, operate.StartOptions{}), pairing.ErrOtherNamespace)
	require.ErrorIs(t, startAll(t, a, namespaceA, newDatabase(t), operate.StartOptions{}), pairing.ErrOtherDatabase, "it is still known")
	require.NoError(t, startAll(t, a, namespaceA, one, operate.StartOptions{}))
}

func TestADatabaseMovesToAnotherNamespace(t *testing.T) {
	t.Parallel()
	a, namespaceA := dial(t)
	b, namespaceB := dial(t)
	operatetest.Worker(t, a)
	one, two := newDatabase(t), newDatabase(t)
	require.NoError(t, startAll(t, a, namespaceA, one, operate.StartOptions{}))
	require.NoError(t, startAll(t, b, namespaceB, two, operate.StartOptions{}))
	require.NoError(t, startAll(t, a, namespaceA, one, operate.StartOptions{Move: true}), "it is there already")
	require.True(t, paired(t, a, one))

	item := one.enqueue(one.newWorkspace("acme", "FREE"))
	one.claim(item)
	move := operate.StartOptions{Move: true}
	err := startAll(t, b, namespaceB, one, move)
	require.ErrorIs(t, err, operate.ErrRefused, "the dispatcher of the namespace's own database is open")
	require.NoError(t, b.TerminateWorkflow(t.Context(), workflows.DispatcherID, "", "to move"))
	require.ErrorIs(t, startAll(t, b, namespaceB, one, move), catalog.ErrRunning)
	require.True(t, paired(t, a, one), "nothing has changed")
	one.end("COMPLETED", item)
	require.NoError(t, startAll(t, b, namespaceB, one, move))

	require.True(t, paired(t, b, one))
	require.False(t, paired(t, a, one), "what still works for the former pair stops")
	require.False(t, paired(t, b, two))
	require.Equal(t, []int{0}, openShards(t, b))

	// Back, although something holds a slot.
	require.NoError(t, b.TerminateWorkflow(t.Context(), workflows.DispatcherID, "", "to move"))
	require.NoError(t, operate.Stop(t.Context(), a, nil, workflows.StopRequest{Actor: actor}, operate.StopOptions{}))
	one.claim(one.enqueue(one.newWorkspace("other", "FREE")))
	require.NoError(t, startAll(t, a, namespaceA, one, operate.StartOptions{Move: true, Abandon: true}))
	require.True(t, paired(t, a, one))
}

// A program's client does not say which namespace it is of. What hosts workspaces in a wrong one would take them from the others, and
// what recovers there would find every execution missing.
func TestAClientOfAnotherNamespaceIsFoundOut(t *testing.T) {
	t.Parallel()
	a, namespaceA := dial(t)
	b, namespaceB := dial(t)
	one := newDatabase(t)
	require.NoError(t, startAll(t, a, namespaceA, one, operate.StartOptions{}))
	err := pairing.Check(t.Context(), b, one.pool)
	require.ErrorIs(t, err, pairing.ErrOtherNamespace)
	require.ErrorContains(t, err, namespaceA)

	// One that has been given back is refused as well: its former dispatcher may be forgotten there, and leftover schedules go on.
	require.NoError(t, a.TerminateWorkflow(t.Context(), workflows.DispatcherID, "", "to move"))
	require.NoError(t, startAll(t, b, namespaceB, one, operate.StartOptions{Move: true}))
	other, _ := dial(t)
	require.ErrorIs(t, pairing.Check(t.Context(), other, one.pool), pairing.ErrOtherNamespace)
	require.True(t, paired(t, b, one))

	// Another cluster has a namespace of the name.
	_, err = one.pool.Exec(t.Context(), `UPDATE sluice.installation SET namespace_id = 'of another cluster'`)
	require.NoError(t, err)
	require.ErrorIs(t, pairing.Check(t.Context(), other, one.pool), pairing.ErrOtherNamespace)
}

// name is the database's.
func (d *database) name() (name string) {
	d.t.Helper()
	require.NoError(d.t, d.pool.QueryRow(d.t.Context(), `SELECT current_database()`).Scan(&name))
	return name
}
