package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

// mixed is a workspace with items of a definition and of two types, in every state, and another with some like them.
type mixed struct {
	*bundle
	other uuid.UUID
}

func newMixed(t *testing.T) *mixed {
	t.Helper()
	m := &mixed{bundle: setup(t)}
	var definition uuid.UUID
	m.other, definition = m.newWorkspace(t, "globex", "PRO")
	for workspace, definition := range map[uuid.UUID]uuid.UUID{m.workspace: m.definition, m.other: definition} {
		for _, kind := range []string{"", "Ship", "Pay"} {
			for _, state := range []string{"pending", "running", "COMPLETED", "FAILED", "TIMED_OUT", "TERMINATED", "CANCELLED", "refused"} {
				m.put(t, workspace, definition, kind, state)
			}
		}
	}
	return m
}

// put makes an item of a definition, or of a type, in a state. Its error, if it has one, says which type and state it is of.
func (b *bundle) put(t *testing.T, workspace, definition uuid.UUID, kind, state string) uuid.UUID {
	t.Helper()
	var id uuid.UUID
	if kind == "" {
		id = one[uuid.UUID](t, b.pool, `SELECT (sluice.enqueue($1, $2, '{"n": 1}') ->> 'queueId')::uuid`, workspace, definition)
	} else {
		id = one[uuid.UUID](t, b.pool, `SELECT (sluice.enqueue_workflow($1, $2, args => '[7]', priority => 2) ->> 'queueId')::uuid`, workspace, kind)
	}
	b.move(t, id, state, kind+" "+state)
	return id
}

func (b *bundle) move(t *testing.T, id uuid.UUID, state, message string) {
	t.Helper()
	switch state {
	case "pending":
	case "running":
		b.exec(t, `WITH gone AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
			INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request, priority, attempt_count, turn,
				created_at, available_at, claimed_at, dispatched_at, engine_run_id, unique_key, trigger_type, enqueued_by, input)
			SELECT id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request, priority, attempt_count, 1,
				created_at, available_at, now(), now(), 'run', unique_key, trigger_type, enqueued_by, input FROM gone`, id)
	default:
		b.exec(t, `WITH gone AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
			INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request, status, reason, error, priority, attempt_count,
				created_at, available_at, claimed_at, dispatched_at, engine_run_id, unique_key, trigger_type, enqueued_by, input)
			SELECT id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request, CASE WHEN $2 = 'refused' THEN 'FAILED' ELSE $2 END,
				CASE WHEN $2 = 'refused' THEN 'start-failed' END, jsonb_build_object('message', $3::text), priority, 3,
				created_at, available_at, now(), now(), 'run', unique_key, trigger_type, enqueued_by, input FROM gone`, id, state, message)
	}
}

func (b *bundle) choose(t *testing.T, action admin.Action, f admin.Filter) admin.Selection {
	t.Helper()
	s, err := b.office.Select(t.Context(), action, f)
	require.NoError(t, err)
	return s
}

func TestAFilterMeansWhatItSays(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	some := list[uuid.UUID](t, m.pool, `SELECT id FROM sluice.pending ORDER BY id LIMIT 2`)
	for _, test := range []struct {
		action admin.Action
		filter admin.Filter
		want   map[string]int64
	}{
		{admin.Cancel, admin.Filter{}, map[string]int64{"PENDING": 6, "CLAIMED": 0, "RUNNING": 6}},
		{admin.Cancel, admin.Filter{WorkspaceID: m.workspace}, map[string]int64{"PENDING": 3, "CLAIMED": 0, "RUNNING": 3}},
		{admin.Cancel, admin.Filter{WorkflowType: "Ship", Status: "RUNNING"}, map[string]int64{"RUNNING": 2}},
		{admin.Cancel, admin.Filter{DefinitionID: m.definition}, map[string]int64{"PENDING": 1, "CLAIMED": 0, "RUNNING": 1}},
		{admin.Cancel, admin.Filter{OlderThan: time.Hour}, map[string]int64{"PENDING": 0, "CLAIMED": 0, "RUNNING": 0}},
		{admin.Cancel, admin.Filter{IDs: some}, map[string]int64{"PENDING": 2, "CLAIMED": 0, "RUNNING": 0}},
		{admin.Cancel, admin.Filter{IDs: []uuid.UUID{}}, map[string]int64{"PENDING": 0, "CLAIMED": 0, "RUNNING": 0}},
		{admin.Terminate, admin.Filter{WorkspaceID: m.workspace, WorkflowType: "Pay"}, map[string]int64{"RUNNING": 1}},
		{admin.Reprioritize, admin.Filter{WorkspaceID: m.other}, map[string]int64{"PENDING": 3}},
		{admin.Retry, admin.Filter{}, map[string]int64{"FAILED": 6}},
		{admin.Retry, admin.Filter{Reason: "start-failed", WorkspaceID: m.workspace}, map[string]int64{"FAILED": 3}},
		{admin.Retry, admin.Filter{Reason: "other"}, map[string]int64{"FAILED": 0}},
		{admin.Retry, admin.Filter{Error: "SHIP REF"}, map[string]int64{"FAILED": 2}},
		{admin.Replay, admin.Filter{}, map[string]int64{"FAILED": 6, "TIMED_OUT": 6, "TERMINATED": 6}},
		{admin.Replay, admin.Filter{Status: "TIMED_OUT", WorkspaceID: m.workspace}, map[string]int64{"TIMED_OUT": 3}},
		{admin.Replay, admin.Filter{Error: "pay t"}, map[string]int64{"FAILED": 0, "TIMED_OUT": 2, "TERMINATED": 2}},
	} {
		s := m.choose(t, test.action, test.filter)
		require.Equal(t, test.want, s.Counts, "%s %+v", test.action, test.filter)
		total := int64(0)
		for _, n := range test.want {
			total += n
		}
		require.Equal(t, total, s.Total)
	}
	for want, test := range map[string]struct {
		action admin.Action
		filter admin.Filter
	}{
		"unknown action":           {"explode", admin.Filter{}},
		"is not one of those to":   {admin.Terminate, admin.Filter{Status: "PENDING"}},
		"not both":                 {admin.Cancel, admin.Filter{WorkflowType: "x", DefinitionID: m.definition}},
		"older than must be":       {admin.Cancel, admin.Filter{OlderThan: -1}},
		"has no limit":             {admin.Cancel, admin.Filter{Limit: 3}},
		"limit must not be":        {admin.Retry, admin.Filter{Limit: -3}},
		"executions have none":     {admin.Replay, admin.Filter{Reason: "x"}},
		"must not contain the cha": {admin.Retry, admin.Filter{Error: "\x00"}},
	} {
		_, err := m.office.Select(t.Context(), test.action, test.filter)
		require.ErrorIs(t, err, admin.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
}

func TestManyAreCancelledInBatchesThatHoldUpNoClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const many = 1203
	b.exec(t, `SELECT sluice.enqueue($1, $2) FROM generate_series(1, $3)`, b.workspace, b.definition, many)
	held := list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending ORDER BY id OFFSET 600 LIMIT 3`)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM sluice.pending WHERE id = ANY ($1) FOR UPDATE`, held) // as a claim does
	require.NoError(t, err)
	s := b.choose(t, admin.Cancel, admin.Filter{WorkspaceID: b.workspace})
	require.EqualValues(t, many, s.Total)
	late := one[uuid.UUID](t, b.pool, `SELECT (sluice.enqueue($1, $2) ->> 'queueId')::uuid`, b.workspace, b.definition)
	var told []int64
	n, err := b.office.CancelSelected(t.Context(), s, "ann", "mistake", func(done int64) { told = append(told, done) })
	require.NoError(t, err)
	require.EqualValues(t, many-3, n)
	require.Equal(t, []int64{500, 1000, many - 3}, told)
	require.NoError(t, tx.Rollback(t.Context()))
	require.ElementsMatch(t, append(held, late), list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending`), "what was enqueued later is not of the selection")
	require.Equal(t, many-3, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'cancelled' AND actor = 'ann' AND details ->> 'error' = 'mistake'`))

	again, err := b.office.CancelSelected(t.Context(), s, "ann", "mistake", nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, again)
	again, err = b.office.CancelSelected(t.Context(), s, "ann", "mistake", nil)
	require.NoError(t, err)
	require.Zero(t, again)
}

func TestWhatIsBrokenOffGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `SELECT sluice.enqueue($1, $2) FROM generate_series(1, 1100)`, b.workspace, b.definition)
	s := b.choose(t, admin.Cancel, admin.Filter{})
	ctx, stop := context.WithCancel(t.Context())
	n, err := b.office.CancelSelected(ctx, s, "ann", "", func(int64) { stop() })
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 500, n)
	n, err = b.office.CancelSelected(t.Context(), s, "ann", "", nil)
	require.NoError(t, err)
	require.EqualValues(t, 600, n)
}

func TestAReplayIsANewItemThatNamesTheFirst(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	large := one[uuid.UUID](t, m.pool, `SELECT (sluice.enqueue($1, $2, jsonb_build_object('text', repeat('x', 5000)), 1, unique_key => 'k', expires_at => now() + interval '1 hour') ->> 'queueId')::uuid`, m.workspace, m.definition)
	m.move(t, large, "FAILED", "boom")
	named := one[uuid.UUID](t, m.pool, `SELECT (sluice.enqueue_workflow($1, 'Ship', 'ships', '[1]', 'order-7') ->> 'queueId')::uuid`, m.workspace)
	m.move(t, named, "TERMINATED", "boom")
	s := m.choose(t, admin.Replay, admin.Filter{WorkspaceID: m.workspace})
	require.EqualValues(t, 11, s.Total)
	n, err := m.office.ReplaySelected(t.Context(), s, "ann", "mended", nil)
	require.NoError(t, err)
	require.EqualValues(t, 11, n)
	require.Equal(t, 11, one[int](t, m.pool, `SELECT count(*) FROM sluice.queue_items q JOIN sluice.queue_items f ON f.id = q.replay_of
		WHERE q.status = 'PENDING' AND f.status = 'DISPATCHED' AND q.workspace_id = f.workspace_id AND q.priority = f.priority AND q.input = f.input
		  AND (q.workflow_definition_id, q.workflow_type, q.task_queue) IS NOT DISTINCT FROM (f.workflow_definition_id, f.workflow_type, f.task_queue)
		  AND q.unique_key IS NULL AND q.expires_at IS NULL AND q.attempt_count = 0 AND q.id > f.id`))
	require.Equal(t, "order-7", one[string](t, m.pool, `SELECT engine_workflow_id FROM sluice.queue_items WHERE replay_of = $1`, named))
	require.Equal(t, []string{"ann mended"}, list[string](t, m.pool, `SELECT concat_ws(' ', actor, reason) FROM sluice.activity a WHERE queue_id = $1 AND action = 'replayed'
		AND (a.details ->> 'as')::uuid = (SELECT queue_id FROM sluice.replays WHERE replay_of = $1)`, large))
	require.Positive(t, one[int](t, m.pool, `SELECT count(*) FROM sluice.events WHERE workspaces @> ARRAY[$1::uuid]`, m.workspace), "the dispatchers hear of them")

	for _, again := range []admin.Selection{s, m.choose(t, admin.Replay, admin.Filter{WorkspaceID: m.workspace})} {
		n, err = m.office.ReplaySelected(t.Context(), again, "ann", "", nil)
		require.NoError(t, err)
		require.Zero(t, n, "each is replayed once")
	}
	second := one[uuid.UUID](t, m.pool, `SELECT queue_id FROM sluice.replays WHERE replay_of = $1`, large)
	m.move(t, second, "FAILED", "again")
	s = m.choose(t, admin.Replay, admin.Filter{WorkspaceID: m.workspace})
	require.EqualValues(t, 1, s.Total, "a replay that has failed can be replayed")
	_, err = m.office.DeleteWorkspace(t.Context(), m.workspace, "ann")
	require.NoError(t, err)
	require.Zero(t, one[int](t, m.pool, `SELECT count(*) FROM sluice.replays`))
}

func TestManyAreReplayedUpToALimit(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	s := m.choose(t, admin.Replay, admin.Filter{Limit: 8})
	require.EqualValues(t, 8, s.Total)
	n, err := m.office.ReplaySelected(t.Context(), s, "ann", "", nil)
	require.NoError(t, err)
	require.EqualValues(t, 8, n)
	require.Equal(t, 8, one[int](t, m.pool, `SELECT count(*) FROM sluice.replays`))
}

// A client's start holds its workflow id, and so does its replay.
func TestWhatIsCountedToBeReplayedIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	globex, _ := b.newWorkspace(t, "globex", "PRO")
	put := func(workspace uuid.UUID, trigger, key, state string) uuid.UUID {
		id := b.put(t, workspace, uuid.Nil, "Ship", "pending")
		b.exec(t, `UPDATE sluice.pending SET trigger_type = $2, unique_key = $3 WHERE id = $1`, id, trigger, key)
		b.move(t, id, state, "broken")
		return id
	}
	hold := func(id uuid.UUID, key string) {
		b.exec(t, `INSERT INTO sluice.unique_keys (workspace_id, unique_key, queue_id, keep) VALUES ($1, $2, $3, '0') ON CONFLICT (workspace_id, unique_key) DO UPDATE SET queue_id = excluded.queue_id`, b.workspace, key, id)
	}
	for _, state := range []string{"TIMED_OUT", "TERMINATED", "FAILED", "FAILED"} { // of several with one id one is
		put(b.workspace, "CLIENT", "workflow/a", state)
	}
	put(globex, "REPLAY", "workflow/a", "FAILED") // another workspace's
	put(b.workspace, "CLIENT", "workflow/b", "FAILED")
	hold(put(b.workspace, "CLIENT", "workflow/b", "pending"), "workflow/b")
	put(b.workspace, "CLIENT", "workflow/c", "TIMED_OUT")
	hold(put(b.workspace, "CLIENT", "workflow/c", "running"), "workflow/c")
	hold(put(b.workspace, "CLIENT", "workflow/d", "TIMED_OUT"), "workflow/d")
	for range 2 { // the key is none of an id
		put(b.workspace, "FUNCTION", "workflow/a", "TERMINATED")
	}
	s := b.choose(t, admin.Replay, admin.Filter{})
	require.Equal(t, map[string]int64{"FAILED": 2, "TIMED_OUT": 1, "TERMINATED": 2}, s.Counts)
	require.EqualValues(t, 5, s.Total)
	require.Equal(t, map[string]int64{"TIMED_OUT": 2}, b.choose(t, admin.Replay, admin.Filter{Status: "TIMED_OUT"}).Counts)
	n, err := b.office.ReplaySelected(t.Context(), s, "ann", "", nil)
	require.NoError(t, err)
	require.Equal(t, s.Total, n)
	require.Zero(t, b.choose(t, admin.Replay, admin.Filter{}).Total)
}

func TestManyAreRetriedAndWhatFailsAgainIsNot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, priority, attempt_count, created_at, available_at, ended_at, trigger_type, enqueued_by, input)
		SELECT sluice.uuid_v7(), $1, $2, 'FAILED', 'start-failed', 3, 3, now(), now(), now(), 'x', 'x', '{}' FROM generate_series(1, 700)`, b.workspace, b.definition)
	s := b.choose(t, admin.Retry, admin.Filter{WorkspaceID: b.workspace})
	require.EqualValues(t, 700, s.Total)
	n, err := b.office.RetrySelected(t.Context(), s, "ann", "mended", func(done int64) {
		if done == 500 { // one of them fails at once
			b.move(t, one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending LIMIT 1`), "refused", "again")
		}
	})
	require.NoError(t, err)
	require.EqualValues(t, 700, n)
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.ended`))
	require.Equal(t, 700, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity_log WHERE action = 'retried' AND actor = 'ann' AND details ->> 'why' = 'mended'`))
}

// A key is free when its item has failed, if it is not kept for longer: then another item may have had it, and failed too.
func TestItemsOfTheSameKeyKeepNoOthersFromBeingRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, priority, attempt_count, created_at, available_at, ended_at, unique_key, trigger_type, enqueued_by, input)
		SELECT sluice.uuid_v7(), $1, $2, 'FAILED', 'start-failed', 3, 3, now(), now(), now(), CASE WHEN n <= 2 THEN 'order-7' END, 'x', 'x', '{}' FROM generate_series(1, 1100) AS n ORDER BY n`, b.workspace, b.definition)
	s := b.choose(t, admin.Retry, admin.Filter{WorkspaceID: b.workspace})
	require.EqualValues(t, 1099, s.Total)
	n, err := b.office.RetrySelected(t.Context(), s, "ann", "", nil)
	require.NoError(t, err)
	require.EqualValues(t, 1099, n)
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.pending WHERE unique_key = 'order-7'`))
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.ended WHERE unique_key = 'order-7'`))
}

func TestPrioritiesAndTimesOfManyAreChanged(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	soon := one[uuid.UUID](t, m.pool, `SELECT (sluice.enqueue($1, $2, expires_at => now() + interval '1 hour') ->> 'queueId')::uuid`, m.workspace, m.definition)
	s := m.choose(t, admin.Reprioritize, admin.Filter{WorkspaceID: m.workspace})
	require.EqualValues(t, 4, s.Total)
	for want := range 2 { // the second time changes nothing
		n, err := m.office.ReprioritizeSelected(t.Context(), s, admin.Place{Priority: new(1)}, "ann", "urgent", nil)
		require.NoError(t, err)
		require.EqualValues(t, 4-4*want, n)
	}
	n, err := m.office.ReprioritizeSelected(t.Context(), s, admin.Place{In: new(2 * time.Hour)}, "ann", "", nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, n, "one would expire before")
	require.Equal(t, 3, one[int](t, m.pool, `SELECT count(*) FROM sluice.pending WHERE workspace_id = $1 AND priority = 1 AND available_at > now() + interval '1 hour 59 minutes'`, m.workspace))
	require.Equal(t, 3, one[int](t, m.pool, `SELECT count(*) FROM sluice.pending WHERE workspace_id = $1 AND priority > 1 AND available_at <= now()`, m.other))
	past := time.Now().Add(-time.Hour)
	n, err = m.office.ReprioritizeSelected(t.Context(), s, admin.Place{At: &past}, "ann", "", nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, n, "one is ready, and keeps its place")
	require.Zero(t, one[int](t, m.pool, `SELECT count(*) FROM sluice.pending WHERE workspace_id = $1 AND (available_at > now() OR available_at < created_at)`, m.workspace), "the past is now")
	require.Equal(t, []string{`ann urgent {"priority": [3, 1]`}, list[string](t, m.pool, `SELECT concat_ws(' ', actor, reason, '{"priority": ' || (details -> 'priority')::text) FROM sluice.activity
		WHERE action = 'reprioritized' AND queue_id = $1 AND reason = 'urgent'`, soon))
	for _, place := range []admin.Place{{}, {Priority: new(6)}, {In: new(-time.Hour)}, {In: new(time.Hour), At: &past}, {In: new(200_000 * time.Hour)}} {
		_, err := m.office.ReprioritizeSelected(t.Context(), s, place, "ann", "", nil)
		require.ErrorIs(t, err, admin.ErrInvalid)
	}
}

func TestASelectionIsForOneActionAndNeedsAnActor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.choose(t, admin.Cancel, admin.Filter{})
	_, err := b.office.ReplaySelected(t.Context(), s, "ann", "", nil)
	require.ErrorContains(t, err, "the items were selected to cancel, not to replay")
	_, err = b.office.RetrySelected(t.Context(), s, "ann", "", nil)
	require.ErrorContains(t, err, "the items were selected to cancel, not to retry")
	_, err = b.office.CancelSelected(t.Context(), s, " ", "", nil)
	require.ErrorContains(t, err, "actor is missing")
}
