package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// admitting is a dispatcher's process that remembers.
type admitting struct {
	*bundle
	memory *queue.Memory
}

func admits(t *testing.T, b *bundle) *admitting {
	t.Helper()
	b.openEpoch(t, "run")
	return &admitting{b, b.dispatcher.Memory()}
}

// cycle looks and claims n.
func (a *admitting) cycle(t *testing.T, n int) queue.Claimed {
	t.Helper()
	_, err := a.memory.Capacity(t.Context(), a.fence, 100)
	require.NoError(t, err)
	a.fence.Cycle++
	claimed, err := a.memory.Claim(t.Context(), a.fence, a.grant(n))
	require.NoError(t, err)
	return claimed
}

func (a *admitting) begin(t *testing.T) (queue.Fence, []queue.Claim) {
	t.Helper()
	fence, claims, err := a.memory.BeginDispatch(t.Context(), a.fence, 100)
	require.NoError(t, err)
	return fence, claims
}

func (a *admitting) carried(t *testing.T) int {
	t.Helper()
	_, err := a.memory.Capacity(t.Context(), a.fence, 100)
	require.NoError(t, err)
	return a.memory.Carried()
}

// A claim hands on what reading it would find, whatever has become of what it is to run.
func TestWhatAClaimHandsOnIsWhatWouldBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	apply := func(name string) uuid.UUID {
		d, err := b.app.ApplyDefinition(t.Context(), b.workspace, graph(name, 2), "ann")
		require.NoError(t, err)
		return d.ID
	}
	other, _ := b.newWorkspace(t, "other", "FREE")
	for name, change := range map[string]string{
		"as it was":         `SELECT $1::uuid`,
		"gone":              `DELETE FROM sluice.workflow_definitions WHERE id = $1`,
		"without a version": `DELETE FROM sluice.workflow_definition_versions WHERE workflow_definition_id = $1`,
		"somebody else's":   `UPDATE sluice.workflow_definitions SET workspace_id = '` + other.String() + `' WHERE id = $1`,
	} {
		definition := apply(name)
		b.enqueue(t, queue.Item{WorkspaceID: b.workspace, DefinitionID: definition, Priority: 2, Input: []byte(`{"a":[1]}`)})
		b.exec(t, change, definition)
	}
	expired := b.enqueue(t, queue.Item{WorkspaceID: b.workspace, DefinitionID: b.definition, Priority: 1, ExpiresAt: time.Now().Add(time.Hour)})
	b.exec(t, `UPDATE sluice.execution_queue SET expires_at = now() - interval '1 second' WHERE id = $1`, expired)

	a := admits(t, b)
	require.Equal(t, queue.Claimed{New: 4, Expired: 1, Newest: 1}, a.cycle(t, 5))
	want, err := b.dispatcher.Undispatched(t.Context(), 100)
	require.NoError(t, err)
	_, handed := a.begin(t)
	for i := range want { // they differ in where the clock's location is kept
		want[i].ClaimedAt = want[i].ClaimedAt.UTC()
	}
	for i := range handed {
		handed[i].ClaimedAt = handed[i].ClaimedAt.UTC()
	}
	require.ElementsMatch(t, want, handed)
	require.Len(t, handed, 4)
}

// Only the dispatch of the cycle that claimed gets it, and once. Everybody else looks for what is there.
func TestWhatIsClaimedIsHandedOnOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueueN(t, 5)
	a := admits(t, b)
	require.Zero(t, a.carried(t))
	a.cycle(t, 2)
	require.Equal(t, 2, a.carried(t), "nobody has dispatched it yet")
	require.Equal(t, queue.Claimed{New: 1, Carried: 2, Newest: 2}, a.cycle(t, 1))
	first, claims := a.begin(t)
	require.Len(t, claims, 3, "of both cycles")
	require.Zero(t, a.carried(t), "they are taken for started, unless somebody doubts it")
	b.dispatch(t, claims[0].ExecutionID)
	second, claims := a.begin(t)
	require.Len(t, claims, 2)
	require.Equal(t, first.Dispatch+1, second.Dispatch, "and overtakes the first")
	require.Zero(t, a.carried(t))
	a.memory.Doubt()
	require.Equal(t, 2, a.carried(t))
	require.Equal(t, queue.Claimed{New: 1, Carried: 2, Newest: 3}, a.cycle(t, 1))
	_, claims = a.begin(t)
	require.Len(t, claims, 3, "what is in doubt and what was claimed since")
}

// Another process that has dispatched may have put claims back: what was handed on before is worth nothing then.
func TestWhatIsHandedOnIsForgottenWhenSomebodyElseDispatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 3)
	a := admits(t, b)
	a.cycle(t, 3)
	other, claims, err := b.dispatcher.BeginDispatch(t.Context(), a.fence, 100)
	require.NoError(t, err)
	require.Len(t, claims, 3)
	requeued, err := b.dispatcher.Requeue(t.Context(), other, []queue.FailedStart{failedStart(ids[0])}, queue.RetryPolicy{MaxAttempts: 3, Backoff: time.Hour, MaxBackoff: time.Hour})
	require.NoError(t, err)
	require.Equal(t, 1, requeued.Pending)
	require.Equal(t, 2, a.carried(t))
	_, claims = a.begin(t)
	require.Len(t, claims, 2)
}

// Who was overtaken may not undo what it was handed.
func TestAnOvertakenDispatchUndoesNothingItWasHanded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 1)
	a := admits(t, b)
	a.cycle(t, 1)
	fence, claims := a.begin(t)
	require.Len(t, claims, 1)
	_, _, err := b.dispatcher.BeginDispatch(t.Context(), a.fence, 100)
	require.NoError(t, err)
	requeued, err := b.dispatcher.Requeue(t.Context(), fence, []queue.FailedStart{failedStart(ids[0])}, queue.RetryPolicy{MaxAttempts: 3})
	require.NoError(t, err)
	require.Zero(t, requeued.Pending+requeued.Failed)
	require.Equal(t, ids, b.held(t))
}

// A dispatcher that continues as new in the same process goes on with what is remembered.
func TestANewRunDoesNotReadEverythingAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := admits(t, b)
	a.carried(t)
	b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, enqueued_by, rung)
		VALUES (sluice.uuid_v7(), $1, $2, 'x', true)`, b.workspace, b.definition) // nobody has rung for it
	b.openEpoch(t, "successor")
	d, err := a.memory.Decide(t.Context(), b.fence, 100)
	require.NoError(t, err)
	require.Empty(t, d.Grants, "only reading everything would find it")
	_, err = b.dispatcher.Claim(t.Context(), queue.Fence{Epoch: b.fence.Epoch, Cycle: 1}, b.grant(1)) // somebody else
	require.NoError(t, err)
	b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, enqueued_by, rung)
		VALUES (sluice.uuid_v7(), $1, $2, 'x', true)`, b.workspace, b.definition)
	d, err = a.memory.Decide(t.Context(), b.fence, 100)
	require.NoError(t, err)
	require.Len(t, d.Grants, 1)
}

func TestARememberedCapacityIsFencedToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := admits(t, b)
	a.carried(t)
	old := a.fence
	b.openEpoch(t, "successor")
	_, err := a.memory.Capacity(t.Context(), old, 100)
	require.ErrorIs(t, err, queue.ErrFenced)
	require.Zero(t, a.carried(t))
}
