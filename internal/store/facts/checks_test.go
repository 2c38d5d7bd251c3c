package facts_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/internal/store/facts"
)

type check = func(context.Context, store.DB, time.Time, int) (facts.Checked, error)

func checkSlots(ctx context.Context, db store.DB, _ time.Time, most int) (facts.Checked, error) {
	return facts.CheckSlots(ctx, db, most)
}

// twice puts an item also into another table.
func twice(into, from string) string {
	return `INSERT INTO sluice.` + into + ` SELECT * FROM jsonb_populate_record(NULL::sluice.` + into + `, (SELECT to_jsonb(f) FROM sluice.` + from + ` f WHERE id = $1) ||
		'{"status": "FAILED", "reason": "x", "ended_at": "` + time.Now().UTC().Format(time.RFC3339) + `", "claimed_at": "2026-01-01", "checked_at": "2026-01-01", "turn": 1}')`
}

// Each check names what is planted for it and nothing else.
func TestChecksFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		plant  string // $1 is an item that waits, or one that runs where runs is set
		runs   bool
		places string // what the checks say, if anything
		slots  string
		owners string
		all    bool // only a check of all there is can tell
	}{
		"waits and has ended": {plant: twice("ended", "pending"), places: "it is pending and has ended"},
		"runs and has ended":  {plant: twice("ended", "running"), runs: true, places: "it runs and has ended", slots: "it holds a slot, but has ended"},
		"waits and runs":      {plant: twice("pending", "running"), runs: true, places: "it is pending and runs", slots: "it holds a slot, but is pending"},
		"ended twice": {plant: `WITH gone AS (DELETE FROM sluice.running WHERE id = $1 RETURNING *)
			INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, priority, attempt_count, created_at, available_at, ended_at, trigger_type, enqueued_by)
			SELECT id, workspace_id, workflow_definition_id, 'FAILED', 'x', priority, attempt_count, created_at, available_at, now() + n * interval '1 day', trigger_type, enqueued_by
			FROM gone, generate_series(0, 1) AS n`, runs: true, places: "it has ended twice"},
		"lost": {plant: `WITH gone AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
			INSERT INTO sluice.unique_keys SELECT workspace_id, 'k', id FROM gone`, places: "it is nowhere, but unique key k answers with it", all: true},
		"a workflow that waits":    {plant: `UPDATE sluice.pending SET workflow_definition_id = NULL, workflow_type = 'Bill', task_queue = 'bills', input = NULL, request = '\x' WHERE id = $1`},
		"a workflow that runs":     {plant: `UPDATE sluice.running SET workflow_definition_id = NULL, workflow_type = 'Bill', task_queue = 'bills', input = NULL, request = '\x' WHERE id = $1`, runs: true},
		"lost request":             {plant: `UPDATE sluice.pending SET workflow_definition_id = NULL, workflow_type = 'Bill', task_queue = 'bills', input = NULL WHERE id = $1`, places: "it is pending, and its input is lost", all: true},
		"lost input of what waits": {plant: `UPDATE sluice.pending SET input = NULL WHERE id = $1`, places: "it is pending, and its input is lost", all: true},
		"lost input of what runs":  {plant: `UPDATE sluice.running SET input = NULL WHERE id = $1`, runs: true, places: "it runs, and its input is lost"},
		"no run id": {plant: `UPDATE sluice.running SET engine_run_id = '' WHERE id = $1`, runs: true,
			slots: "it holds a slot and was started, but without a run id"},
		"ended without a run id": {plant: `WITH gone AS (DELETE FROM sluice.running WHERE id = $1 RETURNING *)
			INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
			SELECT id, workspace_id, workflow_definition_id, 'COMPLETED', priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by FROM gone`,
			runs: true, places: "its execution is COMPLETED without a run id"},
		"foreign definition": {plant: `UPDATE sluice.running SET workspace_id = gen_random_uuid() WHERE id = $1`, runs: true, owners: " and runs a definition of "},
		"other definition":   {plant: `UPDATE sluice.running SET workflow_definition_id = gen_random_uuid() WHERE id = $1`, runs: true, owners: "it asked for definition "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.exec(t, `UPDATE sluice.partitions SET from_at = from_at - interval '1 day'`) // just after midnight nothing is known to be younger than them
			ids := b.enqueueN(t, 6)
			running, waiting := ids[0], ids[3]
			b.claim(t, ids[2])
			b.run(t, running, ids[1])
			b.end(t, "COMPLETED", ids[1])
			b.cancel(t, ids[4])
			b.exec(t, `INSERT INTO sluice.unique_keys SELECT $1, 'known ' || id, id FROM unnest($2::uuid[]) AS id`, b.workspace, ids[1:])
			b.exec(t, `INSERT INTO sluice.unique_keys VALUES ($1, 'dropped by retention', '01800000-0000-7000-8000-000000000000')`, b.workspace)
			b.exec(t, `INSERT INTO sluice.inputs VALUES ($1, '{}')`, ids[5])
			b.exec(t, `UPDATE sluice.pending SET input = NULL WHERE id = $1`, ids[5])
			hour := time.Now().Add(-time.Hour)
			for _, check := range []check{facts.CheckPlaces, checkSlots, facts.CheckOwners} {
				for _, since := range []time.Time{{}, hour} {
					healthy, err := check(t.Context(), b.pool, since, 20)
					require.NoError(t, err)
					require.Zero(t, healthy.Broken, healthy.First)
					require.NotZero(t, healthy.Checked)
				}
			}
			id := waiting
			if test.runs {
				id = running
			}
			if name == "lost" {
				b.exec(t, `DELETE FROM sluice.unique_keys WHERE queue_id = $1`, id)
			}
			b.exec(t, test.plant, id)
			for _, since := range []time.Time{{}, hour} {
				for says, check := range map[*string]check{&test.places: facts.CheckPlaces, &test.slots: checkSlots, &test.owners: facts.CheckOwners} {
					found, err := check(t.Context(), b.pool, since, 20)
					require.NoError(t, err)
					if *says == "" || test.all && !since.IsZero() {
						require.Zero(t, found.Broken, found.First)
						continue
					}
					require.EqualValues(t, 1, found.Broken, found.First)
					require.Len(t, found.First, 1)
					require.Equal(t, id, found.First[0].ID)
					require.Contains(t, found.First[0].What, *says)
				}
			}
		})
	}
}

// What ended before the window is not looked at; what is open always is, however old.
func TestChecksLookAtAWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 4)
	b.run(t, ids[:3]...)
	b.end(t, "COMPLETED", ids[:2]...)
	b.cancel(t, ids[3])
	old := []uuid.UUID{ids[0], ids[2]}
	b.exec(t, `UPDATE sluice.ended SET claimed_at = claimed_at - interval '3 hours', ended_at = ended_at - interval '2 hours', engine_run_id = NULL WHERE id = ANY ($1)`, old)
	b.exec(t, `UPDATE sluice.running SET claimed_at = claimed_at - interval '3 hours', input = NULL WHERE id = ANY ($1)`, old)
	for since, want := range map[time.Duration]facts.Checked{ // the fourth was cancelled
		time.Hour: {Checked: 3, Broken: 1}, 4 * time.Hour: {Checked: 4, Broken: 2}, -time.Hour: {Checked: 1, Broken: 1},
	} {
		found, err := facts.CheckPlaces(t.Context(), b.pool, time.Now().Add(-since), 0)
		require.NoError(t, err)
		require.Equal(t, want, found, since)
		held, err := facts.HeldSlots(t.Context(), b.pool, time.Now().Add(-since))
		require.NoError(t, err)
		require.Len(t, held, map[time.Duration]int{time.Hour: 2, 4 * time.Hour: 3, -time.Hour: 1}[since])
	}
	found, err := facts.CheckPlaces(t.Context(), b.pool, time.Time{}, 0)
	require.NoError(t, err)
	require.Equal(t, facts.Checked{Checked: 4, Broken: 2}, found)
}

func TestACheckNamesOnlySoMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, b.enqueueN(t, 5)...)
	b.exec(t, `UPDATE sluice.running SET engine_run_id = NULL`)
	found, err := facts.CheckSlots(t.Context(), b.pool, 2)
	require.NoError(t, err)
	require.EqualValues(t, 5, found.Broken)
	require.Len(t, found.First, 2)
}

func TestClaimsOfWhatWasPausedAreFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 6)
	const pause = `INSERT INTO sluice.pauses (workspace_id, workflow_type, workflow_definition_id, actor, until) VALUES ($1, $2, $3, 'ann', $4)`
	paused := func() facts.Checked {
		t.Helper()
		var all facts.Checked
		for _, since := range []time.Time{{}, time.Now().Add(-time.Hour)} {
			found, err := facts.CheckPauses(t.Context(), b.pool, since, 20)
			require.NoError(t, err)
			if !since.IsZero() {
				require.Equal(t, all, found)
			}
			all = found
		}
		return all
	}
	require.Zero(t, paused().Checked, "nothing was ever paused")
	b.run(t, ids[0])
	for _, scope := range [][]any{{nil, nil, nil}, {b.workspace, nil, nil}, {nil, nil, b.definition}} {
		b.exec(t, pause, append(scope, nil)...)
		b.exec(t, `DELETE FROM sluice.pauses`)
	}
	b.exec(t, pause, b.workspace, "Other", nil, nil)
	b.run(t, ids[1])
	b.end(t, "COMPLETED", ids[1])
	require.Zero(t, paused().Broken, "claimed before a pause, or after it, or beside it")

	b.exec(t, pause, nil, nil, b.definition, time.Now().Add(time.Hour))
	b.run(t, ids[2])
	b.exec(t, `UPDATE sluice.pauses SET reason = 'another', until = now() + interval '2 hours' WHERE workflow_definition_id IS NOT NULL`)
	b.run(t, ids[3])
	b.end(t, "COMPLETED", ids[3])
	b.exec(t, `DELETE FROM sluice.pauses`)
	b.run(t, ids[4])
	got := paused()
	require.EqualValues(t, 2, got.Broken, got.First)
	require.Equal(t, []uuid.UUID{ids[2], ids[3]}, []uuid.UUID{got.First[0].ID, got.First[1].ID})
	require.Contains(t, got.First[0].What, "while paused by ann since ")
	b.exec(t, `INSERT INTO sluice.activity_log (actor, action, queue_id) VALUES ('recovery', 'reopened', $1)`, ids[2])
	require.EqualValues(t, 1, paused().Broken, "what was given its slot back was not claimed")
}
