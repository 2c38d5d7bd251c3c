package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// ours are the settings that our statements rely on. A role or a database may have others, for its own applications.
var ours = [][2]string{
	{"default_transaction_isolation", "read committed"}, // what turns are taken at
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"client_encoding", "UTF8"},
	{"standard_conforming_strings", "on"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"bytea_output", "hex"},
	{"extra_float_digits", "1"},
	{"array_nulls", "on"},
	{"transform_null_equals", "off"},
	{"default_table_access_method", "heap"},
	{"jit", "off"}, // without statistics, as after a restore, compiling takes up to twenty times as long as the statement
	// The server ends a session whose client is gone without a word.
	{"tcp_keepalives_idle", "5"},
	{"tcp_keepalives_interval", "2"},
	{"tcp_keepalives_count", "3"},
}

// catalogFirst has Postgres' own functions found before those of the same names in a schema that a role or database names before
// pg_catalog, as Orafce wants it. Views and statements of ours would mean the other ones.
const catalogFirst = `SELECT pg_catalog.set_config('search_path', pg_catalog.concat('pg_catalog, ', p.path), false)
FROM pg_catalog.current_setting('search_path') AS p (path) WHERE p.path LIKE '%, pg_catalog%' AND p.path NOT LIKE 'pg_catalog%' AND `

// timeouts may be set for a role or a database, and end a statement, a transaction or a session. They are switched off, because an
// audit, a migration or a dispatcher that waits takes longer than a web application. Only a transaction that its client does not go on
// with is ended: others wait for its locks. One in the database URL stays.
var timeouts = [][2]string{
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"idle_in_transaction_session_timeout", "10s"},
	{"idle_session_timeout", "0"},
	{"transaction_timeout", "0"},
}

// unsetTimeouts are the timeouts that the database URL, or PGOPTIONS, does not set.
func unsetTimeouts(asked map[string]string) (unset [][2]string) {
	for _, timeout := range timeouts {
		if _, ok := asked[timeout[0]]; !ok && !strings.Contains(asked["options"], timeout[0]) {
			unset = append(unset, timeout)
		}
	}
	return unset
}

// forget removes what the client before has left of a session, where the pooler does not (server_reset_query).
const forget = "DEALLOCATE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all();\n"

// session prepares the sessions of one pool.
type session struct {
	timeouts [][2]string // those that are ours to set

	mu     sync.Mutex
	sticky bool // behind a pooler, sessions were found to keep their server connections
}

// prepare looks at a new session, refuses it, or has it settled. It takes one round trip; behind a pooler two, and the first
// time some more.
func (s *session) prepare(ctx context.Context, conn *pgx.Conn) error {
	// A pooler makes up the process id that it tells its clients. Where it is the server's own the session is too, and can be settled at once.
	own := fmt.Sprintf("pg_catalog.pg_backend_pid() = %d", conn.PgConn().PID())
	found, err := look(ctx, conn, s.settle(own))
	if err != nil {
		return fmt.Errorf("prepare a session: %w", err)
	}
	if err := found.refusal(); err != nil {
		return err
	}
	if found.pid == conn.PgConn().PID() {
		return nil
	}
	if err := s.requireSticky(ctx, conn); err != nil {
		return err
	}
	_, err = look(ctx, conn, s.settle("true")+forget)
	if err != nil {
		return fmt.Errorf("prepare a session: %w", err)
	}
	return nil
}

// settle is what sets our settings, on a condition. The timeouts are a statement of their own so that the others have no timeout.
// Settings that this server does not have are left out.
func (s *session) settle(condition string) string {
	set := func(settings [][2]string) string {
		var values []string
		for _, setting := range settings {
			values = append(values, fmt.Sprintf("('%s', '%s')", setting[0], setting[1]))
		}
		return "SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.value, false)) FROM (VALUES " + strings.Join(values, ", ") + ") AS s (name, value) " +
			"WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL AND " + condition + ";\n"
	}
	// A standby refuses queries of a session that was made serializable, and could not say what it is.
	begin := "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;\n"
	if slices.ContainsFunc(s.timeouts, func(t [2]string) bool { return t[0] == "statement_timeout" }) {
		begin = "SET LOCAL statement_timeout = 0;\n" + begin // needs no plan, and ends with these statements: a pooler's session keeps nothing of it
	}
	if len(s.timeouts) > 0 {
		begin += set(s.timeouts)
	}
	return begin + set(ours) + catalogFirst + condition + ";\n"
}
