package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestClaimFollowsPriorityThenDueTimeThenEnqueueOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	prioritised := func(priority int) uuid.UUID {
		item := b.item()
		item.Priority = priority
		return b.enqueue(t, item)
	}
	last, third, fourth, first := prioritised(5), prioritised(3), prioritised(3), prioritised(1)
	second := prioritised(3)
	b.exec(t, `UPDATE sluice.execution_queue SET available_at = available_at - interval '1 minute' WHERE id = $1`, second)

	var got []uuid.UUID
	for range 5 {
		claimed := b.claim(t, 1)
		require.Len(t, claimed, 1)
		got = append(got, claimed...)
	}
	require.Equal(t, []uuid.UUID{first, second, third, fourth, last}, got)
	require.Empty(t, b.claim(t, 1))
	b.checkInvariants(t)
}

func TestClaimTakesNoMoreThanGranted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	urgent := b.item()
	urgent.Priority = 1
	first := b.enqueue(t, urgent)
	ids := b.enqueueN(t, 4)
	require.Equal(t, []uuid.UUID{first, ids[0]}, b.claim(t, 2), "the grant counts over all priorities")
	require.Empty(t, b.claim(t, 0))
	require.Equal(t, 3, one[int](t, b.pool, `SELECT count(*) FROM sluice.execution_queue`))
}

func TestAClaimedItemHoldsASlotAndItsVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.Input = []byte(`{"order": 7}`)
	id := b.enqueue(t, item)
	b.claim(t, 1)
	_, err := b.app.ApplyDefinition(t.Context(), b.workspace, graph("greet", 3), "ann")
	require.NoError(t, err)

	got := b.view(t, id)
	require.Equal(t, "CLAIMED", got.Status)
	require.Nil(t, got.ExecutionStatus, "no workflow yet")
	require.NotNil(t, got.ClaimedAt)
	claims, err := b.dispatcher.Undispatched(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, claims, 1)
	c := claims[0]
	require.Equal(t, id, c.ExecutionID)
	require.Equal(t, b.workspace, c.WorkspaceID)
	require.Equal(t, b.definition, c.DefinitionID)
	require.Equal(t, "acme", *c.WorkspaceName)
	require.Equal(t, "STARTER", *c.Plan)
	require.Equal(t, 2, *c.Weight)
	require.Equal(t, "greet", *c.DefinitionName)
	require.Equal(t, 1, *c.VersionNumber, "what was current at the claim, not at the start")
	require.JSONEq(t, string(graph("greet", 1)), string(c.Workflow))
	require.JSONEq(t, `{"order": 7}`, string(c.Input))
	require.Equal(t, 3, c.Priority)
	require.Zero(t, c.Attempt)
}

func TestScheduledItemsWaitForTheirTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	later := b.item()
	later.AvailableAt, later.Priority = inFuture(), 1
	scheduled := b.enqueue(t, later)
	ready := b.enqueue(t, b.item())
	require.Equal(t, []uuid.UUID{ready}, b.claim(t, 5))
	b.exec(t, `UPDATE sluice.execution_queue SET available_at = now()`)
	require.Equal(t, []uuid.UUID{scheduled}, b.claim(t, 4))
}

func TestExpiredItemsEndOnTheWayAndTakeNoSlot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.ExpiresAt = inFuture()
	expired, lasting := b.enqueue(t, item), b.enqueue(t, item)
	b.exec(t, `UPDATE sluice.execution_queue SET expires_at = now() WHERE id = $1`, expired)
	b.openEpoch(t, "run")
	b.fence.Cycle++
	got, err := b.dispatcher.Claim(t.Context(), b.fence, b.grant(5))
	require.NoError(t, err)
	require.Equal(t, queue.Claimed{New: 1, Expired: 1, Newest: 1}, got)
	require.Equal(t, []uuid.UUID{lasting}, b.claimedIn(t, b.fence))
	view := b.view(t, expired)
	require.Equal(t, "EXPIRED", view.Status)
	require.Equal(t, "expired", *view.Error)
	require.Nil(t, view.ExecutionID)
	b.checkInvariants(t)
}

func TestClaimPassesOverLockedRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 3)
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `SELECT FROM sluice.execution_queue WHERE id = $1 FOR UPDATE`, ids[0])
	require.NoError(t, err)
	require.Equal(t, ids[1:], b.claim(t, 2))
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, ids[:1], b.claim(t, 2))
}

func TestAGrantHoldsOnlyUnderTheLimitItWasMadeFor(t *testing.T) {
	t.Parallel()
	changes := map[string]func(t *testing.T, b *bundle){
		"tier cut":    func(t *testing.T, b *bundle) { b.setLimit(t, "STARTER", 1) },
		"tier raised": func(t *testing.T, b *bundle) { b.setLimit(t, "STARTER", 50) },
		"plan changed": func(t *testing.T, b *bundle) {
			_, err := b.app.SetPlan(t.Context(), b.workspace, "FREE", "ann")
			require.NoError(t, err)
		},
		"workspace deleted": func(t *testing.T, b *bundle) {
			b.exec(t, `DELETE FROM sluice.workspaces WHERE id = $1`, b.workspace)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.enqueueN(t, 3)
			change(t, b)
			require.Empty(t, b.claim(t, 3))
			b.checkInvariants(t)
		})
	}
}

func TestAGrantNeverReachesAboveWhatIsFree(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 12)
	require.Len(t, b.claim(t, 3), 3)
	require.Equal(t, ids[3:5], b.claim(t, 5), "decided before the first claim was known")
	require.Empty(t, b.claim(t, 5))
	b.end(t, ids[0], "COMPLETED")
	require.Equal(t, ids[5:6], b.claim(t, 100))
	b.checkInvariants(t)
}

// Anybody may write the table; the border for definitions is the claim.
func TestADefinitionOfAnotherWorkspaceNeverGetsAVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, foreign := b.newWorkspace(t, "globex", "FREE")
	id := uuid.New()
	b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, enqueued_by) VALUES ($1, $2, $3, 'mallory')`,
		id, b.workspace, foreign)
	require.Equal(t, []uuid.UUID{id}, b.claim(t, 1))
	claims, err := b.dispatcher.Undispatched(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, claims, 1)
	require.Nil(t, claims[0].VersionID)
	require.Nil(t, claims[0].Workflow, "there is nothing to run")
}

func TestClaimTakesFromManyWorkspacesAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueueN(t, 3)
	other, definition := b.newWorkspace(t, "globex", "FREE")
	b.enqueue(t, queue.Item{WorkspaceID: other, DefinitionID: definition})
	b.openEpoch(t, "run")
	got, err := b.dispatcher.Claim(t.Context(), queue.Fence{Epoch: b.fence.Epoch, Cycle: 1}, []queue.Grant{
		{WorkspaceID: b.workspace, Slots: 2, Limit: starterLimit}, {WorkspaceID: other, Slots: 2, Limit: 2}, {WorkspaceID: uuid.New(), Slots: 2, Limit: 2}})
	require.NoError(t, err)
	require.Equal(t, queue.Claimed{New: 3, Newest: 1}, got)
	require.Equal(t, map[uuid.UUID]int{b.workspace: 2, other: 1}, b.slots(t))
}

func TestClaimedAtLiesBetweenDueAndOutcome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	b.end(t, id, "COMPLETED")
	got := b.view(t, id)
	require.False(t, got.ClaimedAt.Before(got.AvailableAt))
	require.False(t, got.CompletedAt.Before(*got.ClaimedAt))
	require.WithinDuration(t, time.Now(), *got.ClaimedAt, time.Minute)
}

func TestAWorkspaceIsGrantedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openEpoch(t, "run")
	b.enqueueN(t, 2*starterLimit)
	b.fence.Cycle++
	_, err := b.dispatcher.Claim(t.Context(), b.fence, append(b.grant(starterLimit), b.grant(starterLimit)...))
	require.ErrorContains(t, err, "granted twice")
	require.Empty(t, b.held(t))
}
