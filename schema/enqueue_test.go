package schema_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestEnqueueWithEachArgument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	answer := one[map[string]string](t, b.db, `SELECT sluice.enqueue(workspace_id => $1, definition_id => $2, input => '{"order": 7}', priority => 1,
		available_at => $3, unique_key => 'order-7', expires_at => $4, enqueued_by => 'ann', trigger_type => 'WEBHOOK', unique_for => '2 days')`,
		b.workspace, b.definition, due, due.Add(time.Hour))
	require.Equal(t, "QUEUED", answer["status"])
	require.Equal(t, "Workflow execution queued. Will start when capacity is available.", answer["message"])
	require.Len(t, answer, 3)
	require.Equal(t, answer["queueId"]+" 7 1 order-7 ann WEBHOOK 0 t t", one[string](t, b.db, `
		SELECT concat_ws(' ', id, input ->> 'order', priority, unique_key, enqueued_by, trigger_type, attempt_count, available_at = $1, expires_at = $2)
		FROM sluice.pending`, due, due.Add(time.Hour)))
	require.Equal(t, answer["queueId"]+" order-7 2 days", one[string](t, b.db, `SELECT concat_ws(' ', queue_id, unique_key, keep) FROM sluice.unique_keys`))

	again := one[map[string]string](t, b.db, `SELECT sluice.enqueue($1, $2, unique_key => 'order-7')`, b.workspace, b.definition)
	require.Equal(t, map[string]string{"queueId": answer["queueId"], "status": "QUEUED",
		"message": "Already enqueued under this unique key; this is the first item."}, again)
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.unique_keys WHERE keep = '2 days'`), "what the first item said counts")
}

func TestEnqueueDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2, NULL, NULL, '-infinity', NULL, 'infinity', '', NULL)`, b.workspace, b.definition)
	require.Equal(t, []string{"{} 3 FUNCTION t", "{} 3 FUNCTION t"}, list[string](t, b.db, `
		SELECT concat_ws(' ', input, priority, trigger_type, available_at = created_at, unique_key, expires_at) FROM sluice.pending`),
		"NULL stands for the default, and for ever is no end")
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(DISTINCT enqueued_by) FROM sluice.pending WHERE enqueued_by = session_user::text`))
	exec(t, b.db, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET application_name = ''shop''', current_database()); END $$`)
	b.db.Reset()
	exec(t, b.db, `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.pending WHERE enqueued_by = 'shop'`))
}

func TestEnqueueRefusesWithAStateOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	globex := one[uuid.UUID](t, b.db, `INSERT INTO sluice.workspaces (name) VALUES ('globex') RETURNING id`)
	foreign, unknown := b.define(t, globex).String(), uuid.NewString()
	workspace, definition := b.workspace.String(), b.definition.String()
	ours := "'" + workspace + "', '" + definition + "'"
	for call, want := range map[string]struct{ code, message, hint string }{
		"'" + unknown + "', '" + definition + "'":                {"SL001", "unknown workspace " + unknown, "sluice.workspaces"},
		"NULL, '" + definition + "'":                             {"SL001", "unknown workspace NULL", "create it first"},
		"'" + workspace + "', '" + unknown + "'":                 {"SL002", "unknown workflow definition " + unknown, "apply the definition first"},
		"'" + workspace + "', NULL":                              {"SL002", "unknown workflow definition NULL", "sluice.workflow_definitions"},
		"'" + workspace + "', '" + foreign + "'":                 {"SL003", "workflow definition " + foreign + " does not belong to workspace " + workspace, "apply it there too"},
		ours + `, '[1]'`:                                         {"SL004", "input must be a JSON object, not array", ""},
		ours + `, 'null'`:                                        {"SL004", "input must be a JSON object, not null", ""},
		ours + `, priority => 0`:                                 {"SL005", "priority must be 1 (first) to 5 (last), not 0", ""},
		ours + `, priority => 6`:                                 {"SL005", "priority must be 1 (first) to 5 (last), not 6", ""},
		ours + `, priority => -1`:                                {"SL005", "priority must be 1 (first) to 5 (last), not -1", ""},
		ours + `, available_at => 'infinity'`:                    {"SL006", "available_at must be at most ten years ahead, not infinity", ""},
		ours + `, available_at => '2999-01-01'`:                  {"SL006", "available_at must be at most ten years ahead", ""},
		ours + `, expires_at => now()`:                           {"SL006", "must lie after available_at and the present", ""},
		ours + `, expires_at => '-infinity'`:                     {"SL006", "must lie after available_at and the present", ""},
		ours + `, expires_at => '12000-01-01'`:                   {"SL006", "expires_at must lie before the year 10000", "never"},
		ours + `, unique_key => ''`:                              {"SL007", "unique_key must have 1 to 512 bytes, not 0", ""},
		ours + `, unique_key => repeat('ä', 257)`:                {"SL007", "unique_key must have 1 to 512 bytes, not 514", ""},
		ours + `, unique_key => 'k', unique_for => '-1 s'`:       {"SL007", "unique_for must be 0 to 100 years, not -00:00:01", "leave it out"},
		ours + `, unique_for => '1 day'`:                         {"SL007", "unique_for needs a unique_key", "nothing is unique without a key"},
		ours + `, unique_key => 'k', unique_for => '36501 days'`: {"SL007", "unique_for must be 0 to 100 years, not 36501 days", "leave it out"},
		ours + `, '{"a": "\u0000"}'`:                             {"22P05", "unsupported Unicode escape sequence", ""},
		ours + `, '{"a":'`:                                       {"22P02", "invalid input syntax for type json", ""},
		ours + `, available_at => now() + interval '2 hours', expires_at => now() + interval '1 hour'`: {"SL006", "must lie after available_at", ""},
	} {
		err := requireRefused(t, b.db, want.code, `SELECT sluice.enqueue(`+call+`)`)
		require.Contains(t, err.Message, want.message)
		require.Contains(t, err.Hint, want.hint)
	}
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.pending`))
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.events`))
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.unique_keys`))
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.inputs`))
}

// SQL measures the input as Postgres prints it: with a blank behind each colon.
func TestEnqueueTakesAtMost256KiB(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const frame = len(`{"a": ""}`)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2, $3)`, b.workspace, b.definition, `{"a":"`+strings.Repeat("x", 256<<10-frame)+`"}`)
	err := requireRefused(t, b.db, "SL004", `SELECT sluice.enqueue($1, $2, $3)`, b.workspace, b.definition, `{"a":"`+strings.Repeat("x", 256<<10-frame+1)+`"}`)
	require.Equal(t, "input has 262145 bytes, at most 262144 (256 KiB) are allowed", err.Message)
	require.Contains(t, err.Hint, "pass a reference")
}

func TestLargeInputsAreStoredApart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const frame = len(`{"a": ""}`)
	sized := func(bytes int) string { return `{"a": "` + strings.Repeat("x", bytes-frame) + `"}` }
	for bytes, apart := range map[int]bool{2000: false, 2001: true} {
		answer := one[map[string]string](t, b.db, `SELECT sluice.enqueue($1, $2, $3)`, b.workspace, b.definition, sized(bytes))
		require.Equal(t, apart, one[bool](t, b.db, `SELECT input IS NULL FROM sluice.pending WHERE id = $1`, answer["queueId"]), bytes)
		require.Equal(t, apart, one[bool](t, b.db, `SELECT EXISTS (SELECT FROM sluice.inputs WHERE id = $1)`, answer["queueId"]), bytes)
		require.Equal(t, bytes, one[int](t, b.db, `SELECT octet_length(input::text) FROM sluice.queue_items WHERE id = $1`, answer["queueId"]))
	}
}

func TestIDsAreVersion7AndFollowTheirMaking(t *testing.T) {
	t.Parallel()
	b := setup(t)
	before := time.Now().Add(-time.Second)
	ids := list[uuid.UUID](t, b.db, `SELECT sluice.uuid_v7() FROM generate_series(1, 5000)`)
	for i, id := range ids {
		require.EqualValues(t, 7, id.Version())
		require.Equal(t, uuid.RFC4122, id.Variant())
		require.True(t, i == 0 || ids[i-1].String() < id.String(), "%s, then %s", ids[max(0, i-1)], id)
		at := time.UnixMilli(int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5]))
		require.True(t, at.After(before) && at.Before(time.Now().Add(time.Second)), "it tells its time")
	}
}

// An item enqueued in a transaction that was open for long is due since then, and expires by the clock on the wall.
func TestEnqueueInAnOldTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	var began time.Time
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT now()`).Scan(&began))
	_, err = tx.Exec(t.Context(), `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.NoError(t, err)
	var due time.Time
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT available_at FROM sluice.pending`).Scan(&due))
	require.Equal(t, began, due)
	_, err = tx.Exec(t.Context(), `SELECT sluice.enqueue($1, $2, expires_at => now() + interval '1 microsecond')`, b.workspace, b.definition)
	require.ErrorContains(t, err, "present")
}
