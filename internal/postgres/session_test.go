package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/postgres"
)

// Whatever is set for a role or a database is for its other applications.
func TestSettingsOfARoleOrDatabaseDoNotCount(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	role, asRole := newRole(t, databaseURL)
	for name, c := range map[string]struct{ theirs, want string }{
		"default_transaction_isolation":       {"serializable", "read committed"},
		"default_transaction_read_only":       {"on", "off"},
		"default_transaction_deferrable":      {"on", "off"},
		"client_encoding":                     {"LATIN1", "UTF8"},
		"standard_conforming_strings":         {"off", "on"},
		"DateStyle":                           {"SQL, DMY", "ISO, MDY"},
		"IntervalStyle":                       {"sql_standard", "postgres"},
		"TimeZone":                            {"Asia/Kathmandu", "UTC"},
		"bytea_output":                        {"escape", "hex"},
		"extra_float_digits":                  {"-15", "1"},
		"array_nulls":                         {"off", "on"},
		"transform_null_equals":               {"on", "off"},
		"jit":                                 {"on", "off"},
		"lock_timeout":                        {"10ms", "0"},
		"idle_in_transaction_session_timeout": {"10ms", "10s"},
	} {
		t.Run(name, func(t *testing.T) {
			admin(t, databaseURL, "ALTER DATABASE :database SET "+name+" TO '"+c.theirs+"'")
			require.Equal(t, c.want, setting(t, open(t, asRole), name), "of the database")
			admin(t, databaseURL, "ALTER DATABASE :database RESET "+name, "ALTER ROLE "+role+" SET "+name+" TO '"+c.theirs+"'")
			require.Equal(t, c.want, setting(t, open(t, asRole), name), "of the role")
			admin(t, databaseURL, "ALTER ROLE "+role+" RESET "+name)
			require.Equal(t, c.want, setting(t, open(t, with(t, asRole, "options", "-c "+quoted(name, c.theirs, c.want))), name), "of PGOPTIONS")
		})
	}
}

// A role or a database may name a schema before pg_catalog, whose functions are called like Postgres' own.
func TestFunctionsOfPostgresAreFoundBeforeOthersOfTheirNames(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	role, asRole := newRole(t, databaseURL)
	admin(t, databaseURL, "CREATE SCHEMA compat", "GRANT USAGE ON SCHEMA compat TO "+role,
		"CREATE FUNCTION compat.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'compat' $$")
	for path, want := range map[string]string{"compat, pg_catalog": "pg_catalog, compat, pg_catalog", "compat, public": "compat, public", "''": `""`} {
		admin(t, databaseURL, "ALTER ROLE "+role+" SET search_path = "+path)
		pool := open(t, asRole)
		require.Equal(t, want, setting(t, pool, "search_path"))
		var small string
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT lower('A'::text)`).Scan(&small))
		require.Equal(t, "a", small, path)
	}
}

// quoted leaves the timeouts alone: those of the URL count.
func quoted(name, theirs, want string) string {
	value := theirs
	if strings.HasSuffix(name, "_timeout") {
		value = want
	}
	out := name + "="
	for _, r := range value {
		if r == ' ' {
			out += `\`
		}
		out += string(r)
	}
	return out
}

// A timeout that ends every statement would end the one that switches it off, if that took long.
func TestStatementsTakeLongerThanTheTimeoutOfARole(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	role, asRole := newRole(t, databaseURL)
	admin(t, databaseURL, "ALTER ROLE "+role+" SET statement_timeout TO '1ms'", "ALTER ROLE "+role+" SET jit_above_cost TO 0") // a plan takes longer
	pool := open(t, asRole)
	_, err := pool.Exec(t.Context(), `SELECT pg_sleep(0.2)`)
	require.NoError(t, err)
	require.Equal(t, "0", setting(t, pool, "statement_timeout"))
}

func TestATimeoutOfTheURLCounts(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	require.Equal(t, "7s", setting(t, open(t, with(t, databaseURL, "statement_timeout", "7s")), "statement_timeout"))
	require.Equal(t, "8s", setting(t, open(t, with(t, databaseURL, "options", "-c lock_timeout=8s")), "lock_timeout"))
}

// Timeouts that not every version has are left out where there is no such thing.
func TestTimeoutsOfLaterVersions(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	role, asRole := newRole(t, databaseURL)
	pool := open(t, databaseURL)
	for _, name := range []string{"idle_session_timeout", "transaction_timeout"} {
		if setting(t, pool, name) == "" {
			continue // PostgreSQL 13 has neither, 16 only the first
		}
		admin(t, databaseURL, "ALTER ROLE "+role+" IN DATABASE :database SET "+name+" TO '300ms'") // not for those who set it, and may be slow
		impatient := open(t, asRole)
		conn, err := impatient.Acquire(t.Context())
		require.NoError(t, err)
		time.Sleep(600 * time.Millisecond) // the server's own clock is what is tested
		_, err = conn.Exec(t.Context(), `SELECT`)
		require.NoError(t, err, name)
		conn.Release()
		admin(t, databaseURL, "ALTER ROLE "+role+" IN DATABASE :database RESET "+name)
	}
}

// Our sessions prepare statements, whatever the URL says for sessions behind a pooler.
func TestEachURLOfAPoolRunsOurStatements(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	for _, s := range [][2]string{{"pool_max_conns", "3"}, {"pool_max_conn_lifetime", "1h"}, {"statement_cache_capacity", "0"}, {"default_query_exec_mode", "exec"},
		{"default_query_exec_mode", "simple_protocol"}, {"default_query_exec_mode", "cache_describe"}, {"target_session_attrs", "read-write"}} {
		pool := open(t, with(t, databaseURL, s[0], s[1]))
		var names []string
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT $1::text[]`, []string{"a", "b"}).Scan(&names), s)
		require.Equal(t, []string{"a", "b"}, names)
	}
}

func TestADatabaseThatCannotHoldEveryTextIsRefused(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"SQL_ASCII", "LATIN1"} {
		databaseURL := devtest.Postgres(t)
		name := "other_" + encoding
		admin(t, databaseURL, "CREATE DATABASE "+pgIdentifier(name)+" ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
		t.Cleanup(func() { dropDatabase(t, databaseURL, name) })
		err := open(t, onDatabase(t, databaseURL, name)).Ping(t.Context())
		var refusal *postgres.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Contains(t, refusal.Reason, encoding)
		require.Contains(t, refusal.Remedy, "UTF8")
	}
}

// Without triggers no limit that is changed would be heard of.
func TestASessionWithoutTriggersIsRefused(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	admin(t, databaseURL, "ALTER DATABASE :database SET session_replication_role TO replica")
	var refusal *postgres.Refusal
	require.ErrorAs(t, open(t, databaseURL).Ping(t.Context()), &refusal)
	require.Contains(t, refusal.Error(), "session_replication_role")
}
