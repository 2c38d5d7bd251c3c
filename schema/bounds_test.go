package schema_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"sluice/internal/bounds"
	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

// Go and SQL refuse the same characters in names, each by an expression of its own.
func TestHiddenCharactersAreThoseOfGo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hidden := regexp.MustCompile(bounds.Hidden)
	var ours []int32
	for c := rune(1); c <= 0x10ffff; c++ {
		if (c < 0xd800 || c > 0xdfff) && hidden.MatchString(string(c)) {
			ours = append(ours, c)
		}
	}
	require.Equal(t, ours, list[int32](t, b.db, `SELECT c FROM generate_series(1, 1114111) AS c
		WHERE c NOT BETWEEN 55296 AND 57343 AND chr(c) ~ sluice.hidden() ORDER BY c`))
}

func TestNamesAreThoseOfGo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"a", "two  words", "山田　太郎", strings.Repeat("ä", bounds.MaxName), "", " ", "   ", "\u00a0", " a", "a ", "a\u3000", "\u2003a",
		strings.Repeat("ä", bounds.MaxName+1), "a\nb", "\u202eb", "a\u200b", "\x1b[2J", "a\tb", "\u3164", "\u0085a", "\u2028", "a\u1680"} {
		require.Equal(t, bounds.Name(name) == nil, one[bool](t, b.db, `SELECT sluice.is_name($1)`, name), "%q", name)
	}
}

func TestTablesRefuseWhatGoesAroundTheBorder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	long := strings.Repeat("x", 2100)
	bomb := `{"a":[` + strings.Repeat("1e131071,", 40) + `1]}`
	for sql, args := range map[string][]any{
		`INSERT INTO sluice.workspaces (name) VALUES ($1)`:                                                                                                        {long},
		`INSERT INTO sluice.pauses (workflow_type, actor) VALUES ($1, 'ann')`:                                                                                     {"\u202egnp"},
		`INSERT INTO sluice.pauses (workspace_id, actor, reason) VALUES ($1, 'ann', $2)`:                                                                          {b.workspace, "\x1b[2J"},
		`INSERT INTO sluice.pauses (actor, since) VALUES ('ann', $1::text::timestamptz)`:                                                                          {"-infinity"},
		`UPDATE sluice.workspaces SET name = $1`:                                                                                                                  {"\u202egnp"},
		`UPDATE sluice.workspaces SET name = E'a\nb' || $1`:                                                                                                       {""},
		`INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, $2)`:                                                                            {b.workspace, long},
		`UPDATE sluice.workflow_definitions SET name = $1`:                                                                                                        {"   "},
		`UPDATE sluice.tiers SET starts_per_second = $1`:                                                                                                          {5e-324},
		`UPDATE sluice.workspaces SET starts_per_second = $1`:                                                                                                     {1e-9},
		`INSERT INTO sluice.inputs (id, input) VALUES ($1, $2)`:                                                                                                   {uuid.New(), bomb},
		`INSERT INTO sluice.unique_keys (workspace_id, queue_id, unique_key) VALUES ($1, $1, $2)`:                                                                 {uuid.New(), long},
		`INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 2, $2)`:                                   {b.definition, `{"body":` + bomb + `}`},
		`INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 3, jsonb_build_object('name', $2::text))`: {b.definition, long},
		`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, input) VALUES ($1, $1, $1, 'ann', $2)`:                                {uuid.New(), bomb},
		`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by) VALUES ($1, $1, $1, $2)`:                                              {uuid.New(), long},
		`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, trigger_type) VALUES ($1, $1, $1, 'ann', $2)`:                         {uuid.New(), long},
	} {
		requireRefused(t, b.db, "23514", sql, args...)
	}
}

// On any connection, whatever the plan and the type of an argument, a refusal has its code.
func TestEnqueueRefusesAlikeOnAnyConnection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ours := "'" + b.workspace.String() + "', '" + b.definition.String() + "'"
	deep := `('{"a":' || repeat('[', 500) || repeat(']', 500) || '}')::jsonb`
	for call, code := range map[string]string{
		`priority => 32768`: "SL005", `priority => 32767`: "SL005", `priority => 2147483647`: "SL005", `priority => -2147483648`: "SL005",
		`priority => 2147483648`: "SL005", `priority => 9223372036854775807`: "SL005", `priority => 3::smallint`: "", `priority => NULL`: "",
		`input => ('{"a":[' || repeat('1e131071,', 40) || '1]}')::jsonb`: "SL004", `input => '7'`: "SL004", `input => '"x"'`: "SL004", `input => 'true'`: "SL004",
		`input => ` + deep: "SL004", `input => NULL`: "",
		`unique_key => 'k', unique_for => '-1 month'`: "SL007", `unique_key => 'k', unique_for => '102 years'`: "SL007", `unique_key => 'k1', unique_for => '1 month'`: "",
		`unique_key => 'k2', unique_for => '1 month -29 days'`: "", `unique_key => ''`: "SL007", `unique_key => repeat('x', 1000000)`: "SL007",
		`available_at => 'infinity'`: "SL006", `available_at => '-infinity'`: "", `available_at => '4713-01-01 BC'`: "", `available_at => '294276-01-01'`: "SL006",
		`expires_at => '-infinity'`: "SL006", `expires_at => '294276-01-01'`: "SL006", `expires_at => 'infinity'`: "", `expires_at => '4713-01-01 BC'`: "SL006",
		`enqueued_by => repeat('x', 201)`: "SL011", `enqueued_by => E'a\nb'`: "SL011", `enqueued_by => U&'\202Egnp'`: "SL011", `enqueued_by => ''`: "", `enqueued_by => NULL`: "",
		`trigger_type => repeat('x', 201)`: "SL011", `trigger_type => E'\x1b[2J'`: "SL011", `trigger_type => ''`: "", `trigger_type => NULL`: "",
	} {
		for _, iso := range []string{"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"} {
			conn, err := pgx.ConnectConfig(t.Context(), b.db.Config().ConnConfig) // a new one has no plans
			require.NoError(t, err)
			_, err = conn.Exec(t.Context(), "SET default_transaction_isolation = '"+iso+"'")
			require.NoError(t, err)
			for range 7 { // and then generic ones
				_, err := conn.Exec(t.Context(), `SELECT sluice.enqueue(`+ours+`, `+call+`)`)
				got := ""
				if pg, ok := err.(*pgconn.PgError); ok {
					got = pg.Code
				}
				require.Equal(t, code, got, "%s at %s: %v", call, iso, err)
			}
			require.NoError(t, conn.Close(t.Context()))
		}
	}
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.pending WHERE trigger_type = '' OR enqueued_by = ''`))
}

func TestReleaseKeyRefusesWithAStateOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `SELECT sluice.enqueue($1, $2, unique_key => 'k')`, b.workspace, b.definition)
	requireRefused(t, b.db, "SL012", `SELECT sluice.release_key($1, 'k')`, b.workspace)
	requireRefused(t, b.db, "SL001", `SELECT sluice.release_key(NULL, 'k')`)
	requireRefused(t, b.db, "SL007", `SELECT sluice.release_key($1, NULL)`, b.workspace)
	requireRefused(t, b.db, "SL007", `SELECT sluice.release_key($1, '')`, b.workspace)
	requireRefused(t, b.db, "SL011", `SELECT sluice.release_key($1, 'k', repeat('x', 201))`, b.workspace)
	exec(t, b.db, `DELETE FROM sluice.pending`)
	require.Equal(t, "The unique key is free: the next enqueue under it makes a new item.", one[string](t, b.db, `SELECT sluice.release_key($1, 'k') ->> 'message'`, b.workspace))
}

// What an installation has that would be refused now does not stand in the way of its migration, nor of its items.
func TestMigrationKeepsWhatBreaksTheBounds(t *testing.T) {
	t.Parallel()
	url := devtest.Postgres(t)
	_, err := schema.MigrateWith(t.Context(), url, firstMigration(t), 0)
	require.NoError(t, err)
	db := open(t, url)
	names := []string{"good", "\u202egnp\n\x1b[2J", strings.Repeat("x", 20_000), "   ", "\u00a0", " padded "}
	for _, name := range names {
		id := one[uuid.UUID](t, db, `INSERT INTO sluice.workspaces (name, starts_per_second) VALUES ($1, 1e-300) RETURNING id`, name)
		exec(t, db, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, $2)`, id, name)
	}
	id := one[uuid.UUID](t, db, fmt.Sprintf(`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, trigger_type, input)
		SELECT gen_random_uuid(), w.id, w.id, repeat('y', 300), repeat('z', 300), '{"a":[%s 1]}' FROM sluice.workspaces w LIMIT 1 RETURNING id`, strings.Repeat("1e131071,", 40)))
	exec(t, db, `CREATE ROLE shop_before; GRANT USAGE ON SCHEMA sluice TO shop_before; GRANT INSERT ON sluice.pending TO shop_before`)
	t.Cleanup(func() { _, _ = db.Exec(t.Context(), `DROP OWNED BY shop_before; DROP ROLE shop_before`) })
	_, err = schema.Migrate(t.Context(), url)
	require.NoError(t, err)
	for _, table := range []string{"workspaces", "workflow_definitions"} {
		after := list[string](t, db, `SELECT name FROM sluice.`+table+` ORDER BY id`)
		require.Len(t, after, len(names))
		require.Contains(t, after, "good")
		for _, name := range after {
			require.NoError(t, bounds.Name(name), "%q", name)
		}
	}
	require.Equal(t, 200, one[int](t, db, `SELECT length(enqueued_by) FROM sluice.pending WHERE id = $1`, id))
	require.True(t, one[bool](t, db, `SELECT p.input IS NULL AND octet_length(q.input::text) > 5000000 FROM sluice.pending p JOIN sluice.queue_items q USING (id) WHERE id = $1`, id))
	// It may move on and back.
	exec(t, db, `WITH p AS (DELETE FROM sluice.pending RETURNING *) INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, created_at,
		available_at, claimed_at, trigger_type, enqueued_by, input) SELECT id, workspace_id, workflow_definition_id, priority, 0, created_at, available_at, now(), trigger_type, enqueued_by, input FROM p`)
	exec(t, db, `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, priority, trigger_type, enqueued_by, input FROM sluice.running`)
	require.True(t, one[bool](t, db, `SELECT has_function_privilege('shop_before', 'sluice.enqueue'::regproc::oid, 'EXECUTE')`), "who could enqueue still can")
}

// firstMigration is the schema as it was before.
func firstMigration(t *testing.T) fs.FS {
	t.Helper()
	const name = "migrations/00001_baseline.sql"
	raw, err := fs.ReadFile(schema.Migrations, name)
	require.NoError(t, err)
	return fstest.MapFS{name: {Data: raw}}
}

// FuzzEnqueue gives the function any input and texts: it refuses with a code of its own, and otherwise agrees with package bounds on what
// the input measures.
func FuzzEnqueue(f *testing.F) {
	for _, input := range []string{`{}`, `{"a":1.50e3,"b":-0.0,"c":1E-7}`, `{"a":"\u00e4\u0001\/\ud83d\ude00"}`, `{"a":1e131071}`, `{"a":[1,[2,{"b":null}]]}`, `[1]`, `{"a":0.00e-3}`, `{"a":"\u0000"}`} {
		f.Add([]byte(input), "order-7", "ann", "WEBHOOK", int64(3))
	}
	f.Add([]byte(`{}`), "", "\x1b", "\u202e", int64(1)<<40)
	b := setup(f)
	f.Fuzz(func(t *testing.T, input []byte, key, actor, trigger string, priority int64) {
		size, err := bounds.Size(input)
		if err == nil {
			duplicates := one[int](t, b.db, `SELECT octet_length($1::text::jsonb::text)`, string(input))
			require.LessOrEqual(t, duplicates, size, "%q", input)
			if !strings.Contains(string(input), `"`) { // no key comes twice
				require.Equal(t, duplicates, size, "%q", input)
			}
		}
		_, err = b.db.Exec(t.Context(), `SELECT sluice.enqueue($1, $2, $3::text::jsonb, $4, unique_key => $5, enqueued_by => $6, trigger_type => $7)`,
			b.workspace, b.definition, string(input), priority, key, actor, trigger)
		if err == nil {
			require.True(t, priority >= 1 && priority <= 5 && bounds.Words(actor) == nil && bounds.Words(trigger) == nil && bounds.Key(key) == nil, "%q %q %q %d", key, actor, trigger, priority)
			return
		}
		var pg *pgconn.PgError
		require.ErrorAs(t, err, &pg)
		require.Regexp(t, `^(SL|22|54)`, pg.Code, pg.Message)
	})
}
