package facts_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
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
	SELECT i.id, i.workspace_id, i.workflow_definition_id, i.workflow_type, i.task_queue, i.engine_workflow_id AS workflow_id, i.status, x.status AS execution_status, i.priority, i.unique_key,
	       i.attempt_count, i.created_at, i.available_at, i.expires_at, i.claimed_at, i.dispatched_at, x.completed_at,
	       i.execution_id, x.engine_run_id, x.unserved_since, r.unserved, e.reason, i.error, x.error AS execution_error, i.input, x.output,
	       i.replay_of, (SELECT a.id FROM sluice.queue_items a WHERE a.replay_of = i.id) AS replayed_as
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

	for i := range want {
		want[i].Input, want[i].Output = nil, nil
	}
	got, err = facts.Items[facts.View](t.Context(), b.pool, facts.Filter{WithoutPayloads: true})
	require.NoError(t, err)
	require.Equal(t, want, got)
	some, err = facts.BareItemsOf[facts.View](t.Context(), b.pool, want[3].ID, want[1].ID)
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
	ids := b.everyState(t)
	for _, table := range []string{"pending", "running", "ended"} { // which are now of one chosen id, in every state
		b.exec(t, `UPDATE sluice.`+table+` SET workflow_definition_id = NULL, workflow_type = 'SendInvoice', task_queue = 'invoices', workflow_id = 'invoice-1' WHERE id = ANY ($1)`,
			[]uuid.UUID{ids[0], ids[2], ids[4], ids[5], ids[6], ids[9], ids[11], ids[13]})
	}
	workflows := append(list[string](t, b.pool, `SELECT engine_workflow_id FROM sluice.queue_items WHERE workflow_type IS NULL`), "", "", "", "", "", "", "", "",
		"invoice-1", "invoice-1", "invoice-1", "invoice-1", "nonsense", "execution-"+ids[0].String(), "EXECUTION-"+ids[1].String())
	rnd := rand.New(rand.NewPCG(1, 2))
	workspaces := append(list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workspaces`), uuid.Nil, uuid.Nil, uuid.New())
	definitions := append(list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workflow_definitions`), uuid.Nil, uuid.Nil, uuid.Nil)
	items := append(list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.queue_items`), uuid.New(), uuid.Nil, uuid.Nil, uuid.Nil, uuid.Nil)
	statuses := []string{"", "PENDING", "CLAIMED", "DISPATCHED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "EXPIRED", "TERMINATED", "nonsense"}
	reasons := []string{"", "", "", "cancelled", "start-failed", "nonsense"}
	found := 0
	for range 2500 {
		f := facts.Filter{WorkspaceID: pick(rnd, workspaces), DefinitionID: pick(rnd, definitions), Status: pick(rnd, statuses),
			Reason: pick(rnd, reasons), Before: pick(rnd, items), Limit: rnd.IntN(5), WorkflowID: pick(rnd, workflows)}
		if f.WorkflowID != "" {
			f.WorkflowType, f.Error = pick(rnd, []string{"", "", "SendInvoice"}), pick(rnd, []string{"", "", "BOOM", "start-failed"})
		}
		limit := f.Limit
		if limit == 0 {
			limit = facts.DefaultLimit
		}
		want := list[uuid.UUID](t, b.pool, `SELECT i.id FROM sluice.queue_items i LEFT JOIN sluice.executions x ON x.id = i.execution_id
			LEFT JOIN sluice.ended e ON e.id = i.id
			WHERE ($1 = uuid '00000000-0000-0000-0000-000000000000' OR i.workspace_id = $1) AND ($2 = '' OR i.status = $2 OR x.status = $2)
				AND ($4 = uuid '00000000-0000-0000-0000-000000000000' OR i.workflow_definition_id = $4) AND ($5 = '' OR e.reason = $5)
				AND ($6 = uuid '00000000-0000-0000-0000-000000000000' OR i.id < $6)
				AND $7 IN ('', i.engine_workflow_id) AND $8 IN ('', i.workflow_type)
				AND ($9 = '' OR concat(i.error, x.error ->> 'message', (SELECT r.unserved FROM sluice.running r WHERE r.id = i.id)) ILIKE '%' || $9 || '%')
			ORDER BY i.id DESC LIMIT $3`, f.WorkspaceID, f.Status, limit, f.DefinitionID, f.Reason, f.Before, f.WorkflowID, f.WorkflowType, f.Error)
		got, err := facts.Items[facts.View](t.Context(), b.pool, f)
		require.NoError(t, err)
		require.Len(t, got, len(want), "%+v", f)
		for i := range want {
			require.Equal(t, want[i], got[i].ID, "%+v", f)
		}
		found += len(want)
	}
	require.Greater(t, found, 150, "or it shows little")
}

func pick[T any](rnd *rand.Rand, of []T) T { return of[rnd.IntN(len(of))] }

// A definition that there is not is told apart from one without items; what is left of one that is gone is found by its workspace.
func TestAListingOfAnUnknownDefinition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.cancel(t, id)
	b.exec(t, `DELETE FROM sluice.workflow_definitions WHERE id = $1`, b.definition)
	_, err := facts.Items[facts.View](t.Context(), b.pool, facts.Filter{DefinitionID: b.definition})
	require.ErrorIs(t, err, store.ErrUnknownDefinition)
	got, err := facts.Items[facts.View](t.Context(), b.pool, facts.Filter{DefinitionID: b.definition, WorkspaceID: b.workspace})
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{id}, idsOf(got))
}

// An installation that has run for a month, in small.
func (b *bundle) ranForAMonth(t *testing.T) {
	t.Helper()
	script, err := os.ReadFile("testdata/scale.sql")
	require.NoError(t, err)
	for name, value := range map[string]string{"workspaces": "40", "ended": "30000", "refused": "6000", "pending": "4000", "days": "30"} {
		script = bytes.ReplaceAll(script, []byte(":"+name), []byte(value))
	}
	// What psql runs as the statements that a query returns, and what must stand outside of a transaction.
	before, rest, _ := strings.Cut(string(script), "SELECT format('CREATE TABLE")
	partitions, after, _ := strings.Cut(rest, "\\gexec")
	after, _, _ = strings.Cut(after, "VACUUM")
	conn, err := b.pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	run := func(sql string) {
		_, err := conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err)
	}
	run(before)
	for _, sql := range list[string](t, conn, "SELECT format('CREATE TABLE"+partitions) {
		run(sql)
	}
	run(after)
	run("ANALYZE")
}

// However much has ended and however much waits: each class of items, of all workspaces and of one, has an index from whose end
// a page is read, also the page after it, and also where the status is rare or all that is newer is of another.
func TestAListingReadsNoMoreThanItShows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ranForAMonth(t)
	busy := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workspaces WHERE name = 'workspace 1'`)
	old := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.ended ORDER BY id OFFSET 9000 LIMIT 1`)
	b.exec(t, `INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, priority, attempt_count, created_at, available_at, trigger_type, enqueued_by)
		SELECT sluice.uuid_v7(), $1, $2, 'CANCELLED', 'cancelled', 3, 0, now(), now(), 'x', 'flood' FROM generate_series(1, 4000)`, busy, b.definition)
	b.exec(t, `ANALYZE sluice.ended`)
	// So few rows are sorted as fast as they are found. With several indexes that have the order, one that is too wide may be taken.
	b.exec(t, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_sort TO off', current_database());
		EXECUTE format('ALTER DATABASE %I SET enable_seqscan TO off', current_database());
		EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan TO off', current_database()); END $$`)
	b.pool.Reset()
	const most, total = 10, 40_000
	filters := []facts.Filter{{WorkspaceID: uuid.New()}, {Reason: "nonsense"}, {Reason: "start-failed", Status: "FAILED"}, {Reason: "cancelled", WorkspaceID: busy}, {Before: old, WorkspaceID: busy}}
	for _, status := range []string{"", "COMPLETED", "FAILED", "CANCELLED", "EXPIRED", "TERMINATED", "DISPATCHED", "PENDING"} {
		filters = append(filters, facts.Filter{Status: status}, facts.Filter{Status: status, WorkspaceID: busy}, facts.Filter{Status: status, Before: old})
	}
	for _, f := range filters {
		f.Limit = most
		for _, s := range f.Statements(time.Time{}) {
			rows := 0.0
			for relation, n := range b.read(t, custom, s.SQL, s.Args...) {
				if relation != "running" && (relation != "pending" || f.WorkspaceID == uuid.Nil) {
					rows += n
				}
			}
			require.LessOrEqual(t, rows, total/40.0, "%+v: %s", f, s.SQL)
		}
	}
}

// However much has ended, the items of a workflow's id are found by that alone: with the id that an item gives it, with a chosen one that
// few have, and of one that all have no more than is looked through.
func TestTheItemsOfAWorkflowIDAreFoundByIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ranForAMonth(t)
	b.exec(t, `UPDATE sluice.ended SET workflow_definition_id = NULL, workflow_type = 'SendInvoice', task_queue = 'invoices',
		workflow_id = 'invoice-' || abs(hashtext(id::text)) % 3000`)
	b.exec(t, `ANALYZE sluice.ended`)
	one := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.ended ORDER BY id OFFSET 9000 LIMIT 1`)
	b.exec(t, `UPDATE sluice.ended SET workflow_id = NULL WHERE id = $1`, one)
	for id, most := range map[string]int{"execution-" + one.String(): 1, "invoice-7": 40, "nonsense": 0} {
		f := facts.Filter{WorkflowID: id, Limit: 50}
		got, err := facts.Items[facts.View](t.Context(), b.pool, f)
		require.NoError(t, err)
		want := list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.queue_items WHERE engine_workflow_id = $1 ORDER BY id DESC`, id)
		require.Equal(t, want, append([]uuid.UUID{}, idsOf(got)...), id)
		require.Equal(t, most > 0, len(got) > 0, id)
		for _, s := range f.Statements(time.Time{}) {
			for relation, rows := range b.read(t, custom, s.SQL, s.Args...) {
				require.LessOrEqual(t, rows, float64(most+50), "%s: %s", id, relation)
			}
		}
		f.WorkspaceID = uuid.New()
		if len(got) > 0 {
			f.WorkspaceID = got[0].WorkspaceID
		}
		want = list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.queue_items WHERE engine_workflow_id = $1 AND workspace_id = $2 ORDER BY id DESC`, id, f.WorkspaceID)
		got, err = facts.Items[facts.View](t.Context(), b.pool, f)
		require.NoError(t, err)
		require.Equal(t, want, append([]uuid.UUID{}, idsOf(got)...), id)
		for _, s := range f.Statements(time.Time{}) {
			for relation, rows := range b.read(t, custom, s.SQL, s.Args...) {
				require.LessOrEqual(t, rows, float64(most+50), "%s of a workspace: %s", id, relation)
			}
		}
	}
}

// However many newer items of an id another workspace has: they hide none of a workspace's own, in whatever state these are.
func TestItemsOfAnotherWorkspaceHideNoneOfAWorkflowID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 4)
	b.run(t, ids[1])
	b.run(t, ids[2])
	b.end(t, "COMPLETED", ids[2])
	b.cancel(t, ids[3])
	for _, table := range []string{"pending", "running", "ended"} {
		b.exec(t, `UPDATE sluice.`+table+` SET workflow_definition_id = NULL, workflow_type = 'SendInvoice', task_queue = 'invoices', workflow_id = 'invoice-1'`)
	}
	other, _ := b.newWorkspace(t, "globex", "PRO")
	flood := func(table, columns, values string) {
		b.exec(t, `INSERT INTO sluice.`+table+` (id, workspace_id, workflow_type, task_queue, workflow_id, priority, attempt_count, created_at, available_at, trigger_type, enqueued_by, `+columns+`)
			SELECT sluice.uuid_v7(), $1, 'SendInvoice', 'invoices', 'invoice-1', 3, 0, now(), now(), 'x', 'flood', `+values+` FROM generate_series(1, 2100)`, other)
	}
	flood("pending", "input", "'{}'")
	flood("running", "turn, claimed_at, dispatched_at, engine_run_id, input", "1, now(), now(), 'run', '{}'")
	flood("ended", "status, claimed_at, dispatched_at, ended_at", "'COMPLETED', now(), now(), now()")
	got, err := facts.Items[facts.View](t.Context(), b.pool, facts.Filter{WorkspaceID: b.workspace, WorkflowID: "invoice-1", Limit: 50})
	require.NoError(t, err)
	slices.SortFunc(ids, func(x, y uuid.UUID) int { return bytes.Compare(y[:], x[:]) })
	require.Equal(t, ids, idsOf(got))
	got, err = facts.Items[facts.View](t.Context(), b.pool, facts.Filter{WorkspaceID: b.workspace, WorkflowID: "invoice-1", Status: "CANCELLED", Limit: 50})
	require.NoError(t, err)
	require.Len(t, got, 1)
}

// Whatever ended when: a page is what a sort of everything gives.
func TestAListingLooksAsFarBackAsItHasTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ranForAMonth(t)
	busy := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workspaces WHERE name = 'workspace 1'`)
	old := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.ended ORDER BY id OFFSET 9000 LIMIT 1`)
	b.exec(t, `UPDATE sluice.ended SET ended_at = now() WHERE id = $1 OR ended_at < now() - interval '20 days' AND status = 'TERMINATED'`, old) // they ran for long
	for _, limit := range []int{5, 300, 3000} {
		for _, f := range []facts.Filter{{}, {Status: "COMPLETED"}, {Status: "FAILED"}, {Status: "TERMINATED"}, {Status: "EXPIRED"}, {WorkspaceID: busy},
			{WorkspaceID: busy, Status: "CANCELLED"}, {Reason: "expired"}, {Before: old}, {Before: uuid.New(), Status: "COMPLETED"}} {
			f.Limit = limit
			want := list[uuid.UUID](t, b.pool, `SELECT e.id FROM (
				SELECT id, workspace_id, CASE WHEN reason IS NULL THEN 'DISPATCHED' ELSE status END AS status, status AS execution_status, reason FROM sluice.ended
				UNION ALL SELECT id, workspace_id, 'DISPATCHED', 'RUNNING', NULL FROM sluice.running
				UNION ALL SELECT id, workspace_id, 'PENDING', NULL, NULL FROM sluice.pending) AS e
				WHERE ($1::uuid IS NULL OR e.workspace_id = $1) AND $2 IN ('', e.status, e.execution_status) AND $3 IN ('', e.reason) AND ($4::uuid IS NULL OR e.id < $4)
				ORDER BY e.id DESC LIMIT $5`, orNull(f.WorkspaceID), f.Status, f.Reason, orNull(f.Before), limit)
			got, err := facts.Items[facts.View](t.Context(), b.pool, f)
			require.NoError(t, err)
			require.Equal(t, want, idsOf(got), "%+v", f)
		}
	}
}

func orNull(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// A page of the newest, and what looks at an hour, touches no partition of the days before: it answers while somebody has one of them locked.
func TestWhatIsNewTouchesNoOldPartition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ranForAMonth(t)
	busy := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workspaces WHERE name = 'workspace 1'`)
	locked, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, locked.Rollback(context.WithoutCancel(t.Context()))) }()
	for _, whose := range []string{"ended", "activity_log"} {
		_, err = locked.Exec(t.Context(), `LOCK TABLE sluice.`+whose+time.Now().UTC().Add(-10*24*time.Hour).Format("_20060102")+` IN ACCESS EXCLUSIVE MODE`)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // else it would wait for ever
	defer cancel()
	for _, f := range []facts.Filter{{}, {Status: "COMPLETED"}, {Status: "FAILED"}, {Status: "EXPIRED"}, {Reason: "cancelled"}, {WorkspaceID: busy}} {
		f.Limit = 10
		b.pool.Reset() // a session that has run a statement five times may keep a plan for any partition
		got, err := facts.Items[facts.View](ctx, b.pool, f)
		require.NoError(t, err, "%+v", f)
		require.Len(t, got, 10, "%+v", f)
	}
	hour := time.Now().Add(-time.Hour)
	_, err = facts.WorkspacesSince(ctx, b.pool, hour)
	require.NoError(t, err)
	_, err = facts.CheckPlaces(ctx, b.pool, hour, 10)
	require.NoError(t, err)
	_, err = facts.CheckOwners(ctx, b.pool, hour, 10)
	require.NoError(t, err)
	_, err = facts.HeldSlots(ctx, b.pool, hour)
	require.NoError(t, err)
}

// An item cannot have ended before it was made, and is not looked for then.
func TestALookUpLeavesOutWhatIsOlder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ahead := time.Now().Add(50 * time.Hour)
	young := uuid.Must(uuid.Parse(fmt.Sprintf("%08x-%04x-7000-8000-000000000000", ahead.UnixMilli()>>16, ahead.UnixMilli()&0xffff)))
	today := "ended_" + one[string](t, b.pool, `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')`)
	for _, mode := range []string{custom, generic} {
		require.NotContains(t, b.read(t, mode, facts.ItemsSQL, []uuid.UUID{young}, young, "", true), today)
		require.Contains(t, b.read(t, mode, facts.ItemsSQL, []uuid.UUID{young}, uuid.Nil, "", true), today, "or it shows nothing")
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

// Items of a type are found in every state, a page at a time, and of other types none is read.
func TestItemsOfAType(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 8)
	b.run(t, ids[:5]...)
	b.end(t, "COMPLETED", ids[0], ids[1])
	b.end(t, "FAILED", ids[2])
	b.cancel(t, ids[6])
	want := []uuid.UUID{ids[6], ids[5], ids[4], ids[3], ids[2], ids[1]}
	for _, table := range []string{"pending", "running", "ended"} {
		b.exec(t, `UPDATE sluice.`+table+` SET workflow_definition_id = NULL, workflow_type = 'SendInvoice', task_queue = 'invoices' WHERE id = ANY ($1)`, want)
	}
	of := func(f facts.Filter) []uuid.UUID {
		f.WorkflowType = "SendInvoice"
		got, err := facts.Items[facts.View](t.Context(), b.pool, f)
		require.NoError(t, err)
		return idsOf(got)
	}
	require.Equal(t, want, of(facts.Filter{}))
	require.Equal(t, want, of(facts.Filter{WorkspaceID: b.workspace}))
	require.Equal(t, want[:2], of(facts.Filter{Limit: 2}))
	require.Equal(t, want[2:4], of(facts.Filter{Limit: 2, Before: want[1]}))
	require.Equal(t, ids[1:2], of(facts.Filter{Status: "COMPLETED"}))
	require.Equal(t, ids[2:3], of(facts.Filter{Status: "FAILED"}))
	require.Equal(t, ids[6:7], of(facts.Filter{Status: "CANCELLED", Reason: "cancelled"}))
	require.Equal(t, ids[5:6], of(facts.Filter{Status: "PENDING"}))
	require.Empty(t, of(facts.Filter{WorkspaceID: uuid.New()}))
}

// However many of other types have ended after them, a page of one type is read from its own index.
func TestAPageOfATypeReadsNoOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for n, types := range []string{"Rare", "Usual"} {
		b.exec(t, `INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count,
				created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id)
			SELECT sluice.uuid_v7(), $1, $2, 'q', 'COMPLETED', 3, 0, now(), now(), now(), now(), now(), 'X', 'x', 'run' FROM generate_series(1, $3::int)`,
			b.workspace, types, []int{100, 20_000}[n])
	}
	b.exec(t, `ANALYZE sluice.ended`)
	total := 0.0
	for relation, rows := range b.read(t, custom, facts.NewestCompletedSQL, nil, nil, "Rare", uuid.Max, 50, time.Now().Add(-time.Hour)) {
		require.LessOrEqual(t, rows, 50.0, relation)
		total += rows
	}
	require.Equal(t, 50.0, total)
}
