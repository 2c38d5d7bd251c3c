package facts_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// everyState takes items into every state that there is, in two workspaces, and returns them.
func (b *bundle) everyState(t *testing.T) []uuid.UUID {
	t.Helper()
	ids := b.enqueueN(t, 12)
	other, definition := b.newWorkspace(t, "globex", "PRO")
	for range 2 {
		ids = append(ids, b.enqueue(t, item{other, definition, 1, time.Hour}))
	}
	b.exec(t, `UPDATE sluice.pending SET last_error = 'start-failed: no answer', attempt_count = 1, unique_key = 'k', expires_at = now() + interval '1 day' WHERE id = $1`, ids[0])
	b.exec(t, `INSERT INTO sluice.inputs SELECT id, '{"large": true}' FROM sluice.pending WHERE id = ANY ($1)`, []uuid.UUID{ids[1], ids[3], ids[5], ids[13]})
	b.exec(t, `UPDATE sluice.pending SET input = NULL WHERE id IN (SELECT id FROM sluice.inputs)`)
	b.claim(t, ids[2], ids[3])
	b.run(t, ids[4:8]...)
	b.run(t, ids[13])
	b.exec(t, `UPDATE sluice.running SET unserved_since = now(), unserved = 'its workflow task fails: boom' WHERE id = $1`, ids[4])
	b.end(t, "COMPLETED", ids[5])
	b.end(t, "FAILED", ids[6])
	b.exec(t, `UPDATE sluice.ended SET error = '{"message": "boom"}' WHERE id = $1`, ids[6])
	b.cancel(t, ids[8], ids[9], ids[10])
	b.exec(t, `UPDATE sluice.ended SET status = 'FAILED', reason = 'start-failed', actor = 'dispatcher', claimed_at = now(), ended_at = ended_at + interval '1 day' WHERE id = $1`, ids[9])
	b.exec(t, `UPDATE sluice.ended SET status = 'EXPIRED', reason = 'expired', actor = 'dispatcher', error = NULL WHERE id = $1`, ids[10])
	return ids
}

// What the views tell of items and of executions is what is shown.
const viewsSQL = `
	SELECT i.id, i.workspace_id, i.workflow_definition_id, i.status, x.status AS execution_status, i.priority, i.unique_key,
	       i.attempt_count, i.created_at, i.available_at, i.expires_at, i.claimed_at, i.dispatched_at, x.completed_at,
	       i.execution_id, x.engine_run_id, x.unserved_since, r.unserved, e.reason, i.error, x.error AS execution_error, i.input, x.output
	FROM sluice.queue_items i LEFT JOIN sluice.executions x ON x.id = i.execution_id
	LEFT JOIN sluice.ended e ON e.id = i.id LEFT JOIN sluice.running r ON r.id = i.id`

func TestItemsAreWhatTheViewsSay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.everyState(t)
	want, err := store.Collect[facts.View](t.Context(), b.pool, viewsSQL+` ORDER BY i.id DESC`)
	require.NoError(t, err)
	require.Len(t, want, len(ids))
	got, err := facts.Items[facts.View](t.Context(), b.pool, facts.Filter{})
	require.NoError(t, err)
	require.Equal(t, want, got)
	for _, w := range want {
		got, err := facts.Item[facts.View](t.Context(), b.pool, w.ID)
		require.NoError(t, err)
		require.Equal(t, w, got)
	}
	some, err := facts.ItemsOf[facts.View](t.Context(), b.pool, want[3].ID, uuid.New(), want[1].ID)
	require.NoError(t, err)
	require.Equal(t, []facts.View{want[1], want[3]}, some)
}

func TestAnUnknownItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, id := range []uuid.UUID{uuid.New(), uuid.Must(uuid.NewV7()), uuid.Nil} {
		_, err := facts.Item[facts.View](t.Context(), b.pool, id)
		require.ErrorIs(t, err, store.ErrUnknownItem)
		require.ErrorContains(t, err, id.String())
	}
}

// Whatever is asked for: a listing is what a sort of everything gives.
func TestItemsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.everyState(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	workspaces := append(list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workspaces`), uuid.Nil, uuid.New())
	statuses := []string{"", "PENDING", "CLAIMED", "DISPATCHED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "EXPIRED", "TERMINATED", "nonsense"}
	found := 0
	for range 200 {
		f := facts.Filter{WorkspaceID: workspaces[rnd.IntN(len(workspaces))], Status: statuses[rnd.IntN(len(statuses))], Limit: rnd.IntN(5)}
		limit := f.Limit
		if limit == 0 {
			limit = facts.DefaultLimit
		}
		want := list[uuid.UUID](t, b.pool, `SELECT i.id FROM sluice.queue_items i LEFT JOIN sluice.executions x ON x.id = i.execution_id
			WHERE ($1 = uuid '00000000-0000-0000-0000-000000000000' OR i.workspace_id = $1) AND ($2 = '' OR i.status = $2 OR x.status = $2)
			ORDER BY i.id DESC LIMIT $3`, f.WorkspaceID, f.Status, limit)
		got, err := facts.Items[facts.View](t.Context(), b.pool, f)
		require.NoError(t, err)
		require.ElementsMatch(t, want, idsOf(got), "%+v", f)
		for i := range want {
			require.Equal(t, want[i], got[i].ID, "%+v", f)
		}
		found += len(want)
	}
	require.Greater(t, found, 150, "or it shows little")
}

// However much has ended and however much waits, also with the plan that is kept for all values of the parameters.
func TestAListingReadsNoMoreThanItShows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace(t, "globex", "PRO")
	few, _ := b.newWorkspace(t, "initech", "FREE")
	b.exec(t, `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by)
		SELECT sluice.uuid_v7(), CASE WHEN n % 500 = 0 THEN $3::uuid WHEN n % 2 = 0 THEN $1::uuid ELSE $2::uuid END, $4, 'x' FROM generate_series(1, 4000) AS n`, b.workspace, other, few, definition)
	b.exec(t, `INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at,
			ended_at, trigger_type, enqueued_by)
		SELECT sluice.uuid_v7(), CASE WHEN n % 500 = 0 THEN $3::uuid WHEN n % 2 = 0 THEN $1::uuid ELSE $2::uuid END, $4, 'COMPLETED', 3, 0, now(), now(), now(),
			now() + n % 3 * interval '1 day', 'x', 'x' FROM generate_series(1, 12000) AS n`, b.workspace, other, few, definition)
	b.exec(t, `ANALYZE sluice.pending, sluice.ended`)
	const most = 10
	tables := 5.0 // pending, and of ended three days, and the rest
	for _, mode := range []string{custom, generic} {
		for name, args := range map[string][]any{
			"all": {nil, "", most}, "of a workspace": {b.workspace, "", most}, "of one that has few": {few, "", most}, "of one that has none": {uuid.New(), "", most},
			"ended": {nil, "COMPLETED", most}, "dispatched": {other, "DISPATCHED", most}, "pending": {nil, "PENDING", most},
		} {
			rows := 0.0
			for relation, n := range b.read(t, mode, facts.NewestSQL, args...) {
				if name == "pending" {
					require.NotContains(t, relation, "ended")
				}
				if relation != "pending" || args[0] == nil {
					rows += n
				}
			}
			require.LessOrEqual(t, rows, tables*(most+1), "%s, %s", name, mode)
		}
	}
}

// An item cannot have ended before it was made, and is not looked for then.
func TestALookUpLeavesOutWhatIsOlder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ahead := time.Now().Add(50 * time.Hour)
	young := uuid.Must(uuid.Parse(fmt.Sprintf("%08x-%04x-7000-8000-000000000000", ahead.UnixMilli()>>16, ahead.UnixMilli()&0xffff)))
	today := "ended_" + one[string](t, b.pool, `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')`)
	for _, mode := range []string{custom, generic} {
		require.NotContains(t, b.read(t, mode, facts.ItemsSQL, []uuid.UUID{young}, young, ""), today)
		require.Contains(t, b.read(t, mode, facts.ItemsSQL, []uuid.UUID{young}, uuid.Nil, ""), today, "or it shows nothing")
	}
}

func actions(activity []facts.Activity) (names []string) {
	for _, a := range activity {
		names = append(names, a.Action)
	}
	return names
}

func TestTheActivityOfAnItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 2)
	b.run(t, ids[0])
	b.exec(t, `INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
		VALUES ('ann', 'cancel-requested', $2, $1, 'too late', '{"note": 1}')`, ids[0], b.workspace)
	b.end(t, "CANCELLED", ids[0])
	b.cancel(t, ids[1])

	activity, err := facts.ItemActivity[facts.Activity](t.Context(), b.pool, ids[0])
	require.NoError(t, err)
	require.Equal(t, []string{"enqueued", "claimed", "dispatched", "cancel-requested", "cancelled"}, actions(activity))
	var actors []string
	for _, a := range activity {
		actors = append(actors, a.Actor)
		require.Equal(t, b.workspace, *a.WorkspaceID)
		require.Equal(t, ids[0], *a.QueueID)
	}
	require.Equal(t, []string{"shop", "dispatcher", "dispatcher", "ann", "execution"}, actors)
	require.JSONEq(t, `{"runId": "run-`+ids[0].String()+`"}`, string(activity[2].Details))
	require.Equal(t, "too late", *activity[3].Reason)

	activity, err = facts.ItemActivity[facts.Activity](t.Context(), b.pool, ids[1])
	require.NoError(t, err)
	require.Equal(t, []string{"enqueued", "cancelled"}, actions(activity))
	require.Equal(t, "ann", activity[1].Actor)
	require.Equal(t, "cancelled", *activity[1].Reason)
	require.JSONEq(t, `{"error": "no longer wanted"}`, string(activity[1].Details))
}

// Steps that one statement has written have one time, and are told in their order all the same.
func TestStepsOfOneMomentAreToldInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.run(t, id)
	b.end(t, "COMPLETED", id)
	b.exec(t, `UPDATE sluice.ended SET claimed_at = created_at, dispatched_at = created_at, ended_at = created_at`)
	activity, err := facts.ItemActivity[facts.Activity](t.Context(), b.pool, id)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"enqueued", "claimed", "dispatched", "completed"}, actions(activity))
	require.Equal(t, []string{"enqueued", "claimed", "dispatched"}, actions(activity)[:3])
}
