package dispatch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/store"
)

func TestClaimTakesAsManyAsTheLimitAllows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.enqueueN(8)
	require.Equal(t, ids[:starterLimit], w.cycle(100))
	require.Empty(t, w.cycle(100))
	require.Equal(t, starterLimit, w.running())

	w.end(ids[0], ids[3])
	require.Equal(t, ids[5:7], w.cycle(100))
	require.Equal(t, map[admission.Reason]int{admission.AtCapacity: 1}, w.plan(100).Waiting)
}

func TestClaimHandsOverWhatAStartNeeds(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.enqueue()
	require.Equal(t, 1, w.plan(10).Items)
	require.Equal(t, 1, w.claim().New)
	executions, err := w.Begin(t.Context(), w.run, 10)
	require.NoError(t, err)
	require.Len(t, executions, 1)
	x := executions[0]
	require.Equal(t, id, x.ID)
	require.Equal(t, w.workspace, x.WorkspaceID)
	require.Equal(t, "acme", *x.WorkspaceName)
	require.Equal(t, "STARTER", *x.Plan)
	require.Equal(t, 2, *x.Weight)
	require.Equal(t, "greet", *x.DefinitionName)
	require.Equal(t, 1, *x.VersionNumber)
	require.JSONEq(t, `{"nodes": []}`, string(x.Graph))
	require.JSONEq(t, `{"n": 1}`, string(x.Input))
	require.Equal(t, *x.VersionID, one[uuid.UUID](w, `SELECT workflow_version_id FROM sluice.running`))
}

func TestItemsStartByPriorityAndTimeAndAgeing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET ageing_step = '1 hour'`)
	low := w.enqueueFor(w.workspace, w.definition, 5)
	first, second := w.enqueueFor(w.workspace, w.definition, 3), w.enqueueFor(w.workspace, w.definition, 3)
	urgent := w.enqueueFor(w.workspace, w.definition, 1)
	w.exec(`UPDATE sluice.pending SET available_at = available_at - interval '3 hours' WHERE id = $1`, low) // priority 5 is 4 hours behind 1
	for _, want := range []uuid.UUID{urgent, low, first, second} {
		require.Equal(t, []uuid.UUID{want}, w.cycle(1))
	}
}

func TestPlanThatAChangeOvertakesIsNotClaimed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"the workspace's own limit": `UPDATE sluice.workspaces SET max_concurrent_workflows = 1`,
		"the limit of its plan":     `UPDATE sluice.tiers SET max_concurrent_workflows = 1 WHERE plan = 'STARTER'`,
		"another plan":              `UPDATE sluice.workspaces SET plan = 'TINY'`,
		"the global limit":          `UPDATE sluice.settings SET max_concurrent_workflows = 1`,
		"a slot that was regained": `INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
			SELECT gen_random_uuid(), w.id, gen_random_uuid(), 3, 0, now(), now(), now(), 'T', 'test' FROM sluice.workspaces w, generate_series(1, 4)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.exec(`INSERT INTO sluice.tiers (plan, max_concurrent_workflows) VALUES ('TINY', 1)`)
			w.enqueueN(8)
			require.Equal(t, starterLimit, w.plan(100).Items)
			w.exec(change)
			require.Zero(t, w.claim().New)
			require.Len(t, w.cycle(100), 1)
			require.Empty(t, w.cycle(100))
		})
	}
}

func TestWorkspaceThatIsDeletedStartsNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(3)
	require.Equal(t, 3, w.plan(100).Items)
	w.exec(`DELETE FROM sluice.workspaces`)
	require.Zero(t, w.claim().New)
	require.Zero(t, w.plan(100).Items)
	require.Equal(t, 3, one[int](w, `SELECT count(*) FROM sluice.pending`))
}

// Applied before it is claimed, a new version is what runs.
func TestClaimUsesTheVersionThatIsCurrentWhenItCommits(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueue()
	require.Len(t, w.cycle(1), 1)
	w.enqueue()
	require.Equal(t, 1, w.plan(1).Items)
	w.exec(`INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 2, '{"nodes": [2]}')`, w.definition)
	w.exec(`UPDATE sluice.workflow_definitions SET version_number = 2`)
	require.Zero(t, w.claim().New)
	require.Equal(t, 1, w.plan(1).Items)
	require.Equal(t, 1, w.claim().New)
	executions, err := w.Begin(t.Context(), w.run, 10)
	require.NoError(t, err)
	require.Equal(t, 2, *executions[0].VersionNumber)
	require.JSONEq(t, `{"nodes": [2]}`, string(executions[0].Graph))
}

func TestItemOfADefinitionThatIsGoneIsClaimedWithoutAVersion(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueue()
	w.exec(`DELETE FROM sluice.workflow_definitions`)
	require.Equal(t, 1, w.plan(1).Items)
	require.Equal(t, 1, w.claim().New)
	executions, err := w.Begin(t.Context(), w.run, 10)
	require.NoError(t, err)
	require.Nil(t, executions[0].DefinitionName)
	require.Nil(t, executions[0].VersionID)
}

func TestItemOfADefinitionWithoutAVersionIsTold(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueue()
	w.exec(`DELETE FROM sluice.workflow_definition_versions`)
	require.Equal(t, 1, w.plan(1).Items)
	require.Equal(t, 1, w.claim().New)
	for _, p := range []*process{w.process, w.newProcess()} {
		executions, err := p.Begin(t.Context(), w.run, 10)
		require.NoError(t, err)
		require.Equal(t, "greet", *executions[0].DefinitionName)
		require.Nil(t, executions[0].VersionID)
	}
}

func TestDefinitionThatHasChangedItsOwnerRunsForItsFormerOneNoMore(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(2)
	require.Len(t, w.cycle(1), 1, "and its version is known")
	other, _ := w.newWorkspace("PRO")
	w.exec(`UPDATE sluice.workflow_definitions SET workspace_id = $1, name = 'moved' WHERE id = $2`, other, w.definition)
	require.Eventually(t, func() bool { return w.plan(1).Items == 1 && w.claim().New == 1 }, patience, time.Millisecond)
	for _, p := range []*process{w.process, w.newProcess()} {
		executions, err := p.Begin(t.Context(), w.run, 10)
		require.NoError(t, err)
		require.Nil(t, executions[len(executions)-1].DefinitionName)
	}
}

func TestItemThatAnotherTransactionHoldsKeepsNothingWaiting(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.enqueueN(3)
	tx, err := w.app.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM sluice.pending WHERE id = $1 FOR UPDATE`, ids[1])
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{ids[0], ids[2]}, w.cycle(10))
	require.Eventually(t, func() bool { // it is tried again now and then, on a busy machine maybe just now
		require.Empty(t, w.cycle(10))
		outlook := w.plan(10)
		return outlook.Items == 0 && outlook.DueIn != 0
	}, patience, time.Millisecond, "it is not tried again")
	require.NoError(t, tx.Rollback(t.Context()))
	require.Eventually(t, func() bool { return w.plan(10).Items == 1 }, patience, 10*time.Millisecond)
	require.Equal(t, 1, w.claim().New)
}

func TestItemWhoseTimeIsOverEndsExpired(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.enqueueN(2)
	w.exec(`UPDATE sluice.pending SET expires_at = now() - interval '1 second' WHERE id = $1`, ids[0])
	require.Equal(t, 2, w.plan(10).Items)
	claimed := w.claim()
	require.Equal(t, 1, claimed.New)
	require.Equal(t, 1, claimed.Expired)
	require.Equal(t, "EXPIRED", one[string](w, `SELECT status FROM sluice.ended WHERE id = $1 AND reason = 'expired'`, ids[0]))
}

func TestItemThatWasCancelledIsNotClaimed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.enqueueN(2)
	require.Equal(t, 2, w.plan(10).Items)
	ended, err := store.EndPending(t.Context(), w.app, ids[:1], store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: "ann"})
	require.NoError(t, err)
	require.Equal(t, ids[:1], ended)
	require.Equal(t, 1, w.claim().New)
	require.Equal(t, ids[1:], w.begin())
}

func TestScheduledItemStartsWhenItIsDue(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`SELECT sluice.enqueue($1, $2, available_at => now() + $3::interval)`, w.workspace, w.definition, aWhile)
	outlook := w.plan(10)
	require.Zero(t, outlook.Items)
	require.Equal(t, map[admission.Reason]int{admission.Scheduled: 1}, outlook.Waiting)
	require.Positive(t, outlook.DueIn)
	require.LessOrEqual(t, outlook.DueIn, aWhile)
	require.Eventually(t, func() bool { return w.plan(10).Items == 1 }, patience, 10*time.Millisecond)
}

// A transaction that enqueues and stays open is heard when it commits, however much has happened meanwhile.
func TestItemsThatCommitLateAreFound(t *testing.T) {
	t.Parallel()
	w := setup(t)
	tx, err := w.app.Begin(t.Context())
	require.NoError(t, err)
	for priority := 1; priority <= 5; priority++ {
		_, err = tx.Exec(t.Context(), `SELECT sluice.enqueue($1, $2, '{}', $3)`, w.workspace, w.definition, priority)
		require.NoError(t, err)
	}
	for range 20 {
		id := w.enqueue()
		require.Equal(t, []uuid.UUID{id}, w.cycle(10))
		w.end(id)
	}
	require.NoError(t, tx.Commit(t.Context()))
	require.Len(t, w.cycle(10), 5)
}
