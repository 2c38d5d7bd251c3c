package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// Each check names what is planted for it and nothing else.
func TestChecksFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	places, slots, owners := (*queue.Queue).CheckPlaces, (*queue.Queue).CheckSlots, (*queue.Queue).CheckOwners
	twice := func(into, from string) string {
		return `INSERT INTO sluice.` + into + ` SELECT * FROM jsonb_populate_record(NULL::sluice.` + into + `, (SELECT to_jsonb(f) FROM sluice.` + from + ` f WHERE id = $1) ||
			'{"status": "FAILED", "reason": "x", "actor": "x", "refused_at": "2026-01-01", "enqueued_by": "x", "input": {}, "rung": true}')`
	}
	for name, test := range map[string]struct {
		check func(*queue.Queue, context.Context, time.Time, int) (queue.Checked, error)
		plant string // $1 is an item that waits, and $1 one that runs where running is set
		runs  bool
		says  string
	}{
		"waits and was refused": {places, twice("refused_items", "execution_queue"), false, "it waits and was refused"},
		"runs and was refused":  {places, twice("refused_items", "workflow_executions"), true, "it has an execution and was refused"},
		"waits and runs":        {places, twice("execution_queue", "workflow_executions"), true, "it waits and has an execution"},
		"lost": {places, `WITH gone AS (DELETE FROM sluice.execution_queue WHERE id = $1 RETURNING *)
			INSERT INTO sluice.unique_keys SELECT workspace_id, 'k', id FROM gone`, false, "it is nowhere, but unique key k answers with it"},
		"no run id": {places, `UPDATE sluice.workflow_executions SET engine_run_id = NULL WHERE id = $1`, true, "its execution is RUNNING without a run id"},
		"no reason": {places, `WITH gone AS (DELETE FROM sluice.execution_queue WHERE id = $1 RETURNING *)
			INSERT INTO sluice.refused_items SELECT id, workspace_id, workflow_definition_id, 'EXPIRED', ' ', NULL, 'x', now(),
			priority, attempt_count, created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input FROM gone`, false, "it is EXPIRED without a reason"},
		"no slot":         {slots, `DELETE FROM sluice.slots WHERE execution_id = $1`, true, "its execution is RUNNING, but holds no slot"},
		"slot of a ghost": {slots, `DELETE FROM sluice.workflow_executions WHERE id = $1`, true, "it holds a slot, but has no open execution"},
		"slot of the dead": {slots, `UPDATE sluice.workflow_executions SET status = 'COMPLETED', completed_at = now() WHERE id = $1`, true,
			"it holds a slot, but has no open execution"},
		"another's slot":     {slots, `UPDATE sluice.slots SET workspace_id = gen_random_uuid() WHERE execution_id = $1`, true, "it holds a slot of workspace "},
		"slot out of step":   {slots, `UPDATE sluice.slots SET dispatched = false WHERE execution_id = $1`, true, "its execution is RUNNING, but its slot says otherwise"},
		"foreign definition": {owners, `UPDATE sluice.workflow_executions SET workspace_id = gen_random_uuid() WHERE id = $1`, true, " and runs a definition of "},
		"other definition":   {owners, `UPDATE sluice.workflow_executions SET workflow_definition_id = gen_random_uuid() WHERE id = $1`, true, "it asked for definition "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			ids := b.enqueueN(t, 4)
			running, waiting := ids[0], ids[3]
			b.claim(t, 3)
			b.dispatch(t, running, ids[1])
			b.end(t, ids[1], "COMPLETED")
			cancel(t, b, b.enqueue(t, b.item()))
			for _, check := range []func(*queue.Queue, context.Context, time.Time, int) (queue.Checked, error){places, slots, owners} {
				for _, since := range []time.Time{{}, time.Now().Add(-time.Hour)} {
					healthy, err := check(b.app, t.Context(), since, 20)
					require.NoError(t, err)
					require.Zero(t, healthy.Broken, healthy.First)
					require.NotZero(t, healthy.Checked)
				}
			}
			id := waiting
			if test.runs {
				id = running
			}
			b.exec(t, test.plant, id)
			for _, since := range []time.Time{{}, time.Now().Add(-time.Hour)} {
				found, err := test.check(b.app, t.Context(), since, 20)
				require.NoError(t, err)
				if name == "lost" && !since.IsZero() {
					require.Zero(t, found.Broken, "only all keys would tell")
					continue
				}
				require.EqualValues(t, 1, found.Broken)
				require.Len(t, found.First, 1)
				require.Equal(t, id, found.First[0].ID)
				require.Contains(t, found.First[0].What, test.says)
			}
		})
	}
}

// What ended before the window is not looked at; what is open always is, however old.
func TestChecksLookAtAWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 4)
	b.claim(t, 3)
	b.dispatch(t, ids[:3]...)
	b.end(t, ids[0], "COMPLETED")
	b.end(t, ids[1], "COMPLETED")
	cancel(t, b, ids[3])
	b.exec(t, `UPDATE sluice.workflow_executions SET claimed_at = claimed_at - interval '3 hours', dispatched_at = dispatched_at - interval '3 hours',
		completed_at = completed_at - interval '2 hours', engine_run_id = NULL WHERE id = ANY($1)`, []uuid.UUID{ids[0], ids[2]})
	for since, want := range map[time.Duration]queue.Checked{ // the fourth was refused
		time.Hour: {Checked: 3, Broken: 1}, 4 * time.Hour: {Checked: 4, Broken: 2}, -time.Hour: {Checked: 1, Broken: 1},
	} {
		found, err := b.app.CheckPlaces(t.Context(), time.Now().Add(-since), 0)
		require.NoError(t, err)
		require.Equal(t, want, found, since)
		held, err := b.app.HeldSlots(t.Context(), time.Now().Add(-since))
		require.NoError(t, err)
		require.Len(t, held, map[time.Duration]int{time.Hour: 2, 4 * time.Hour: 3, -time.Hour: 1}[since])
	}
}

func TestAChecksListIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueueN(t, 5)
	b.claim(t, 5)
	b.exec(t, `DELETE FROM sluice.slots`)
	for _, since := range []time.Time{{}, time.Now().Add(-time.Hour)} {
		found, err := b.app.CheckSlots(t.Context(), since, 2)
		require.NoError(t, err)
		require.EqualValues(t, 5, found.Broken)
		require.Len(t, found.First, 2)
	}
}

func TestOverdueItemsAreThoseThatCouldStart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	full, definition := b.newWorkspace(t, "full", "FREE")
	b.setLimit(t, "FREE", 0)
	b.enqueue(t, queue.Item{WorkspaceID: full, DefinitionID: definition})
	ids := b.enqueueN(t, 8)
	b.claim(t, 3)
	later := b.item()
	later.AvailableAt, later.Priority = inFuture(), 1
	b.enqueue(t, later)
	urgent := b.item()
	urgent.Priority = 1
	first := b.enqueue(t, urgent)

	none, err := b.app.Overdue(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Empty(t, none, "nothing has waited so long")
	items, err := b.app.Overdue(t.Context(), 0)
	require.NoError(t, err)
	var overdue []uuid.UUID
	for _, item := range items {
		require.Equal(t, b.workspace, item.WorkspaceID)
		overdue = append(overdue, item.ID)
	}
	require.ElementsMatch(t, []uuid.UUID{first, ids[3]}, overdue, "two slots are free")
	for most, want := range map[int]int64{100: 7, 3: 3} {
		ready, err := b.app.Ready(t.Context(), most)
		require.NoError(t, err)
		require.Equal(t, want, ready)
	}
}

func TestTheHistoryOfLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO sluice.activity_log (at, actor, action, details) VALUES (now(), 'x', 'resumed', '{}')`)
	b.setLimit(t, "FREE", 7)
	b.exec(t, `UPDATE sluice.workspaces SET plan = 'FREE'`)
	changes, err := b.app.LimitChanges(t.Context())
	require.NoError(t, err)
	require.Len(t, changes, 4+3)
	for _, c := range changes[:4] {
		require.Nil(t, c.WorkspaceID)
	}
	created, raised, moved := changes[4], changes[5], changes[6]
	require.Equal(t, b.workspace, *created.WorkspaceID)
	require.Equal(t, "STARTER", created.Plan)
	require.Nil(t, raised.WorkspaceID)
	require.Equal(t, 7, raised.Limit)
	require.Equal(t, b.workspace, *moved.WorkspaceID)
	require.Equal(t, "FREE", moved.Plan)
	require.False(t, moved.At.Before(raised.At))

	b.exec(t, `UPDATE sluice.tiers SET nominal_quota = 3 WHERE plan = 'FREE'`)
	b.exec(t, `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 2`)
	changes, err = b.app.LimitChanges(t.Context())
	require.NoError(t, err)
	lent, joined := changes[7], changes[8]
	require.Equal(t, ptr(3), lent.Nominal)
	require.Nil(t, lent.Cohort)
	require.Equal(t, ptr(2), joined.Nominal)
	require.Equal(t, ptr("eu"), joined.Cohort)
	require.Nil(t, moved.Nominal)
}

func TestTheHistoryOfTheGlobalLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, change := range []queue.SettingsChange{
		{MaxConcurrentWorkflows: &queue.Change[int]{To: ptr(7)}}, {AgeingStep: ptr(time.Second)}, {MaxConcurrentWorkflows: &queue.Change[int]{}},
	} {
		_, err := b.app.Set(t.Context(), change, "ann")
		require.NoError(t, err)
	}
	changes, err := b.app.GlobalLimitChanges(t.Context())
	require.NoError(t, err)
	require.Len(t, changes, 3)
	for i, limit := range []*int{ptr(7), ptr(7), nil} {
		require.Equal(t, limit, changes[i].Limit)
	}
	require.True(t, changes[0].At.Before(changes[2].At))
}

func TestStandings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 4)
	b.claim(t, 2)
	b.dispatch(t, ids[0])
	cancel(t, b, ids[2])
	unknown := uuid.New()
	standings, err := b.app.Standings(t.Context(), append(ids, unknown, unknown))
	require.NoError(t, err)
	require.Len(t, standings, 5)
	want := map[uuid.UUID]string{ids[0]: "RUNNING", ids[1]: "CLAIMED", ids[2]: "CANCELLED", ids[3]: "PENDING"}
	for _, s := range standings {
		if s.ID == unknown {
			require.Nil(t, s.Status)
			continue
		}
		require.Equal(t, want[s.ID], *s.Status)
		require.Equal(t, s.ID == ids[0] || s.ID == ids[1], s.SlotAt != nil)
	}
	holders, err := b.app.SlotHolders(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, ids[:2], holders)
}
